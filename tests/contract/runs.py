"""What the contract tests send."""

TASK = "Refund the damaged coffee order of a customer"
FEEDBACK = "Ask which order is meant before refunding."
CHAT = [
    {"role": "user", "content": TASK},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "find_order", "arguments": '{"item":"coffee"}'}}
        ],
    },
    {"role": "tool", "tool_call_id": "c1", "name": "find_order", "content": "two orders: A-1 and A-2"},
    {"role": "assistant", "content": "I refunded order A-1."},
]


def learn(client, result="fail", feedback=FEEDBACK, **draft):
    """A reviewed run, learned from."""
    return client.create_trace_and_wait(TASK, CHAT, review_result=result, feedback_text=feedback, **draft)
