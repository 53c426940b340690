"""A shell gets completions by the way that its script asks for them."""

import os
import shutil
import subprocess
import sys

import pytest

from osmia_broker.cli.app import run
from tests.patience import PROGRAM_S

PROGRAM = 'import sys; sys.argv[0] = "osmia"; from osmia_broker.cli import main; main()'


def asked(shell, words):
    """What `osmia` answers to the request that *shell* makes for the last of *words*."""
    environ = {**os.environ, "_OSMIA_COMPLETE": f"complete_{shell}"}
    if shell == "bash":
        environ |= {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
    else:
        environ |= {"_TYPER_COMPLETE_ARGS": words, "_TYPER_COMPLETE_WORD_TO_COMPLETE": words.split(" ")[-1]}
        environ |= {"_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    return subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environ, check=False)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("osmia insta", ["instance", "instances"]),
        ("osmia instance canc", ["cancel"]),
        ("osmia instances --sta", ["--state"]),
        ("osmia instances --state comp", ["completed"]),
        ("osmia completion z", ["zsh"]),
    ],
)
def test_every_shell_completes_a_word(shell, words, offered):
    done = asked(shell, words)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(one in done.stdout for one in offered)
    assert "broker" not in done.stdout.splitlines()


@pytest.mark.parametrize("words", ["osmia nosuch", "osmia nosuch x", "osmia tasks --nosuch"])
def test_a_word_that_fits_nothing_is_no_error(words):
    assert asked("bash", words).stderr == ""


@pytest.mark.parametrize(
    ("own", "mend"),
    [
        ("/bin/zsh", 'osmia completion zsh > "${fpath[1]}/_osmia"'),
        ("/usr/bin/fish", "osmia completion fish > ~/.config/fish/completions/osmia.fish"),
        ("/bin/dash", "osmia completion bash > ~/.local/share/bash-completion/completions/osmia"),
        ("", "osmia completion bash > ~/.local/share/bash-completion/completions/osmia"),
    ],
)
def test_completion_without_a_shell_names_the_command_for_ones_own(own, mend, capsys, monkeypatch):
    monkeypatch.setenv("SHELL", own)
    assert run(["completion"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "Error: Expected a shell, one of bash, zsh, fish, powershell, but found no more words.",
        f"  try: {mend}",
    ]


def test_a_shell_that_is_not_served_is_refused():
    assert asked("tcsh", "osmia ins").returncode == 1


@pytest.fixture
def environ(tmp_path):
    """An environment that has the command `osmia`."""
    program = tmp_path / "bin" / "osmia"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c '{PROGRAM}' \"$@\"\n")
    program.chmod(0o755)
    return {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}


def told(environ, *command):
    done = subprocess.run(command, capture_output=True, text=True, env=environ, check=False, timeout=PROGRAM_S)
    assert done.stderr == ""
    return done.stdout


def test_bash_completes_after_the_script_has_been_loaded(environ):
    lines = (
        'source <(osmia completion bash); set -- $(complete -p osmia); while [ "$1" != -F ]; do shift; done; '
        'COMP_WORDS=(osmia incid); COMP_CWORD=1; "$2" osmia; echo "${COMPREPLY[@]}"'
    )
    assert sorted(told(environ, "bash", "-c", lines).split()) == ["incident", "incidents"]


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes_after_the_script_has_been_loaded(environ):
    lines = 'osmia completion fish | source; complete -C "osmia incid"'
    offered = [line.split("\t")[0] for line in told(environ, "fish", "-c", lines).splitlines()]
    assert sorted(offered) == ["incident", "incidents"]


#: A zsh at a terminal of its own, in which a person types half a word and Tab. It ends when the whole word is there.
AT_ZSH = r"""
zmodload zsh/zpty
wait_for() { zpty -r -m z got "*$1*" && print -r -- "$1" }
zpty z zsh -f -i
zpty -w z 'autoload -U compinit; compinit -u -D; echo REA""DY'
wait_for READY
zpty -w -n z $'osmia incident res\t'
wait_for resolve
zpty -d z
"""


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
@pytest.mark.parametrize("is_installed", [True, False])
def test_zsh_completes_the_first_word_in_both_ways(environ, tmp_path, is_installed):
    loaded = "source <(osmia completion zsh); "
    if is_installed:  # as the help and `osmia completion` without a shell say it
        (tmp_path / "_osmia").write_text(told(environ, "osmia", "completion", "zsh"))
        loaded = ""
    script = AT_ZSH.replace("autoload", f"fpath=({tmp_path} $fpath); autoload").replace("echo", f"{loaded}echo")
    assert told(environ, "zsh", "-f", "-c", script).split() == ["READY", "resolve"]
