"""How long a test waits for what must come.

These are bounds for a machine that is busy with much else, and never a pace: what is waited for takes a second or less, and a test that has
waited so long is red. What must not come, or has a time of its own, is the business of the test that says it.
"""

ANSWER_S = 100.0  # an answer, an event, the end of a thread or of a program that was told to end
ANSWER_MS = int(ANSWER_S * 1_000)
PAGE_MS = 100_000  # what a page shall show
PROGRAM_S = 200.0  # a program, from its start to its end
