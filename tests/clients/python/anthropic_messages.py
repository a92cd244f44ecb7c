"""The `anthropic` library at the door for Messages."""

import anthropic

from scenes import FORM, MAX_TOKENS, SAY, SENTENCE, TOOL, WORDS, breaks_off, has_all, is_form, is_usage, outputs, run, thrown

TOOLS = [{"name": TOOL["name"], "description": TOOL["description"], "input_schema": TOOL["parameters"]}]
THINKING_TOKENS = 1024


def client(place, key=None):
    return anthropic.Anthropic(base_url=place.anthropic, api_key=key or place.key, max_retries=0)


def said(text):
    return [{"role": "user", "content": text}]


def ask(place, messages, **more):
    more.setdefault("model", place.model)
    more.setdefault("max_tokens", MAX_TOKENS)
    return client(place).messages.create(messages=messages, **more)


def flow(place, messages, **more):
    return client(place).messages.stream(model=place.model, max_tokens=MAX_TOKENS, messages=messages, **more)


def whole(place):
    answer = ask(place, said(SAY["sentence"]))
    assert [block.text for block in answer.content] == [SENTENCE] and answer.stop_reason == "end_turn"
    is_usage(answer.usage.input_tokens, answer.usage.output_tokens)


def stream(place):
    with flow(place, said(SAY["sentence"])) as events:
        deltas = list(events.text_stream)
        answer = events.get_final_message()
    assert "".join(deltas) == SENTENCE and len(deltas) > 5, deltas
    is_usage(answer.usage.input_tokens, answer.usage.output_tokens)


def tools(place):
    messages = said(SAY["weather"])
    with flow(place, messages, tools=TOOLS) as events:
        answer = events.get_final_message()
    assert answer.stop_reason == "tool_use"
    calls = [block for block in answer.content if block.type == "tool_use"]
    results = outputs([(call.name, call.input) for call in calls])
    blocks = [{"type": "tool_result", "tool_use_id": call.id, "content": text} for call, text in zip(calls, results)]
    history = [{"role": "assistant", "content": answer.content}, {"role": "user", "content": blocks}]
    has_all(ask(place, [*messages, *history], tools=TOOLS).content[-1].text, results)


def think(place):
    wish = {"type": "enabled", "budget_tokens": THINKING_TOKENS}
    answer = ask(place, said(SAY["thought"]), thinking=wish, max_tokens=2 * THINKING_TOKENS)
    assert [block.thinking for block in answer.content if block.type == "thinking"] == [WORDS["thought"]], answer.content


def error(place):
    limited = thrown(lambda: ask(place, said(SAY["limited"]), model=place.failing["limited"]), anthropic.RateLimitError)
    assert 0 < int(limited.response.headers["retry-after"]) <= WORDS["retry_after"]
    thrown(lambda: ask(place, said(SAY["refused"]), model=place.failing["refused"], stream=True), anthropic.BadRequestError)
    thrown(lambda: ask(place, said(SAY["sentence"]), model=place.noModel), anthropic.NotFoundError)
    thrown(lambda: ask(place, said(SAY["overloaded"]), model=place.failing["overloaded"]), anthropic.InternalServerError)


def key(place):
    wrong = client(place, "wrong")
    thrown(lambda: wrong.messages.create(model=place.model, max_tokens=1, messages=said("x")), anthropic.AuthenticationError)


def cut(place):
    with flow(place, said(SAY["cut"])) as events:
        breaks_off(events.text_stream, Exception)


def cancel(place):
    with flow(place, said(SAY["slow"])) as events:
        assert next(iter(events.text_stream))


def form(place):
    is_form(ask(place, said(SAY["json"]), output_config={"format": {"type": "json_schema", "schema": FORM}}).content[0].text)


def models(place):
    assert place.model in [model.id for model in client(place).models.list()]


def count(place):
    assert client(place).messages.count_tokens(model=place.model, messages=said(SAY["sentence"])).input_tokens > 0


if __name__ == "__main__":
    run({
        "whole": whole, "stream": stream, "tools": tools, "think": think, "error": error, "key": key, "cut": cut, "cancel": cancel,
        "form": form, "models": models, "count": count,
    })
