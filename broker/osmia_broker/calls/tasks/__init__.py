"""User tasks: the calls of people, who may read which, lists of their own, proposals, and the listeners of tasks."""
