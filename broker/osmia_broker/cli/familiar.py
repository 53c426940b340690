"""Say in the words of `osmia` what people have typed for zbctl: `create instance dinner` is `start dinner`.

zbctl's words are verb then noun. Only those that are no words of `osmia` are translated, so that nothing here changes its meaning.
"""

from pathlib import Path

#: By the words of zbctl: those of osmia.
COMMANDS = {
    ("create", "instance"): ("start",),
    ("cancel", "instance"): ("instance", "cancel"),
    ("activate", "jobs"): ("job", "activate"),
    ("complete", "job"): ("job", "complete"),
    ("fail", "job"): ("job", "fail"),
    ("throwError", "job"): ("job", "throw-error"),
    ("update", "retries"): ("job", "retries"),
    ("publish", "message"): ("message", "publish"),
    ("broadcast", "signal"): ("signal", "broadcast"),
    ("resolve", "incident"): ("incident", "resolve"),
    ("set", "variables"): ("instance", "variables"),
    ("deploy", "resource"): ("deploy",),
    ("deploy", "process"): ("deploy",),
}

#: By the option of zbctl: that of osmia.
OPTIONS = {
    "--variables": "--vars",
    "--withResult": "--await",
    "--maxJobsToActivate": "--max",
    "--errorMessage": "--message",
    "--retryBackoff": "--back-off",
    "--correlationKey": "--correlation-key",
    "--messageId": "--id",
    "--requestTimeout": "--timeout",
    "--businessId": "--business-id",
    "--tags": "--tag",
}
#: Options that mean something else with these words; an empty one is an argument here.
BY_COMMAND = {
    ("activate", "jobs"): {"--timeout": "--lock", "--requestTimeout": "--wait"},
    ("throwError", "job"): {"--errorCode": ""},
}
WITH_VALUE = {"--address", "--token", "--output", "-o", "--timeout"}  # of the options before a command
SWITCHES = {"--insecure"}  # plain text is the default here


def translated(arguments: list[str]) -> list[str]:
    """Return *arguments* in the words of `osmia` if they are a command of zbctl, else as they are."""
    place = next(
        (at for at, word in enumerate(arguments) if not word.startswith("-") and not _is_value(arguments, at)), 0
    )
    if tuple(arguments[place : place + 2]) not in COMMANDS:
        return arguments
    said = (arguments[place], arguments[place + 1])
    if said[0] == "deploy" and Path(said[1]).exists():
        return arguments  # a folder of that name
    options = OPTIONS | BY_COMMAND.get(said, {})
    words = [word for word in arguments[:place] if word not in SWITCHES] + [*COMMANDS[said]]
    for word in arguments[place + 2 :]:
        name, equals, value = word.partition("=")
        if word in SWITCHES:
            continue
        if name not in options:
            words.append(word)
        elif not options[name]:
            words += [value] if equals else []
        else:
            words.append(f"{options[name]}{equals}{value}")
    return words


def _is_value(arguments: list[str], at: int) -> bool:
    """Say whether a word is the value of the option before it; the options that stand before a command are few."""
    return at > 0 and arguments[at - 1] in WITH_VALUE
