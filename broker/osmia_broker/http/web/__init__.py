"""The page: the task list, the processes and their instances for people, rendered on the server.

A screen is a function with an address (`screen`), in a file of `screens/`, with a template of the same name. It asks the same calls and
the same lists as REST does. htmx swaps the parts of a page that change; every address answers with its whole content, so that a reload, a
bookmark and the back button show the same. `live` tells open pages what has changed.
"""
