"""``make demo`` opens the page where there is a screen, and plays in the terminal where not."""

import os
import re
import signal
import subprocess
import sys
import urllib.request

import pytest


@pytest.fixture
def demo(tmp_path):
    """Start the demo; its browser only writes down what it is to open."""
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    browser.chmod(0o755)
    started = []

    def start(*arguments, **environ):
        screens = {"DISPLAY", "WAYLAND_DISPLAY"}
        kept = {name: value for name, value in os.environ.items() if name not in screens}
        process = subprocess.Popen(
            [sys.executable, "-m", "demo", *arguments],
            env={**kept, "BROWSER": f"{browser} %s", **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.skipif(sys.platform != "linux", reason="screens are told by DISPLAY on Linux only")
def test_it_opens_its_page(demo, tmp_path):
    process = demo(DISPLAY=":0")
    url = re.fullmatch(r"page: (\S+) key: \S+\n", process.stdout.readline())[1]
    process.stdout.readline()  # what to do next: the page is open
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 (loopback)
        page = answer.read().decode()
    process.send_signal(signal.SIGINT)

    assert process.wait(30) == 0
    assert (tmp_path / "opened").read_text().strip() == url
    assert "<title>Demo" in page


def test_without_a_screen_it_plays_in_the_terminal(demo, tmp_path):
    said, _ = demo("--visitors", "30").communicate(timeout=120)

    assert "best possible 0.90, random 0.30; last 200:" in said
    assert "learning_curve.png" in said
    assert not (tmp_path / "opened").exists()
