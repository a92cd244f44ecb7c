"""Embeddings through both libraries that have them, at the upstreams that have them."""

import google_genai
import openai_responses
from scenes import WORDS, run


def genai(place):
    asker = google_genai.client(place)
    rows = asker.models.embed_content(model=place.model, contents=["one", "two"]).embeddings
    assert [row.values for row in rows] == [WORDS["vector"]] * 2, rows


if __name__ == "__main__":
    run({"openai": openai_responses.embed, "google-genai": genai})
