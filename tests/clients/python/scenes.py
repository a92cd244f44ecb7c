"""What every client script shares: the words of the tests, and the way in which it tells how each of its scenes went."""

import json
import sys
import traceback

WORDS = json.load(sys.stdin)
SAY = WORDS["say"]
SENTENCE = WORDS["sentence"]
MAX_TOKENS = WORDS["max_tokens"]
TOOL = {"name": "weather", "description": "Tells the weather in a city.", "parameters": WORDS["parameters"]}
FORM = WORDS["form"]


class Place:
    """Where and as whom a client asks; `model` is what it asks for."""

    def __init__(self, given):
        self.__dict__.update(given)


def outputs(calls):
    """What the tool answers to the calls, which are (name, input) in the order of the model."""
    wanted = [("weather", {"city": city}) for city in WORDS["cities"]]
    assert calls == wanted, calls
    return [f"{WORDS['cities'][given['city']]} degrees in {given['city']}" for _, given in calls]


def has_all(text, parts):
    for part in parts:
        assert part in text, f"{part!r} is not in {text!r}"


def is_usage(given, taken):
    assert (given, taken) == (WORDS["usage"]["input"], WORDS["usage"]["output"]), (given, taken)


def is_form(text):
    assert json.loads(text) == WORDS["json_answer"], text


def breaks_off(pieces, error):
    """Reads a stream that must end with an error after some of it came."""
    text = ""
    try:
        for piece in pieces:
            text += piece
    except error:
        assert 0 < len(text) < len(SENTENCE), text
    else:
        raise AssertionError(f"it ended as if it were whole: {text!r}")


def thrown(ask, error):
    """What `ask` throws, which must be of the library's own class."""
    try:
        answer = ask()
    except error as caught:
        return caught
    raise AssertionError(f"{error.__name__} was not thrown: {answer!r}")


def run(scenes):
    """Plays each scene at each place, and tells how it went in a line of JSON."""
    for name, scene in scenes.items():
        for upstream, given in WORDS["places"].items():
            outcome = {"name": f"{name}, upstream {upstream}", "why": None}
            try:
                scene(Place(given))
            except Exception:
                outcome["why"] = traceback.format_exc()
            print(json.dumps(outcome), flush=True)
