"""An agent as anyone writes it: the openai library, one tool, a loop. It knows nothing of telemetry."""

import json
import sys

from openai import OpenAI

TOOL = {
    "type": "function",
    "function": {
        "name": "find_order",
        "description": "Look an order up.",
        "parameters": {"type": "object", "properties": {"order": {"type": "string"}}, "required": ["order"]},
    },
}


def find_order(order: str) -> str:
    return json.dumps({"order": order, "state": "delivered"})


def main() -> None:
    client = OpenAI()
    messages = [
        {"role": "system", "content": "You handle returns."},
        {"role": "user", "content": sys.argv[1]},
    ]
    while True:
        response = client.chat.completions.create(model="gpt-5.4-mini", messages=messages, tools=[TOOL])
        message = response.choices[0].message
        messages.append(message)
        if not message.tool_calls:
            print(message.content)
            return
        for call in message.tool_calls:
            result = find_order(**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})


if __name__ == "__main__":
    main()
