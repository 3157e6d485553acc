"""What a scripted model answers when a lesson is asked for."""

import json

from tests.scripted_llm import text


def lesson(request):
    """A usable lesson of the kind that is asked for."""
    kinds = request["response_format"]["json_schema"]["schema"]["properties"]["kind"]["enum"]
    return text(
        json.dumps(
            {
                "evidence_steps": [0],
                "kind": kinds[-1],
                "title": "Verify first",
                "when": "money goes back to a buyer",
                "do": "Verify the state of the purchase with lookup_order before promising anything.",
                "avoid": "",
                "generality": 0.9,
                "reusable": True,
            }
        )
    )
