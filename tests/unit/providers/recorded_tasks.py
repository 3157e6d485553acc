"""Real and everyday task texts, each with the group it belongs to: what the embedder's gate is calibrated on."""

import gzip
import json
from pathlib import Path

DATA = Path(__file__).parents[3] / "examples" / "data"
RECORDED = DATA / "trajectories" / "tau-sample.jsonl.gz"
SAMPLES = DATA / "otlp-samples"

EVERYDAY = """
What is the capital of France?
Write a Python function that parses a CSV file and returns the top five rows by revenue.
Summarize the quarterly report in three bullet points.
Translate this paragraph into German.
Book a table for two at an Italian restaurant tomorrow evening.
Debug the login timeout in the authentication service.
Find all customers who have not placed an order in the last 90 days.
Plan a three day trip to Lisbon on a small budget.
Refactor the payment module to use async database calls.
Explain transformer attention in one sentence.
Draft a polite reply to a customer who is asking for a refund.
Generate unit tests for the date parsing helper.
Who won the football world cup in 2014?
Check whether the invoice total matches the purchase order.
Schedule a meeting with the design team next Tuesday at ten.
Classify these support tickets by urgency.
Convert the attached table from inches to centimetres.
Fix the failing build on the main branch.
What are the side effects of ibuprofen?
Compare the pricing of the three largest cloud providers.
Extract every e-mail address from the text below.
Order more printer paper when the stock falls under ten boxes.
Why is my container restarting every five minutes?
Recommend a science fiction novel for a twelve year old.
Migrate the database schema from version four to version five.
Calculate the monthly payment of a mortgage over thirty years.
Upgrade the dependency that has a known vulnerability.
Turn the meeting transcript into action items with owners.
Find the cheapest direct flight from Berlin to Oslo in June.
Rewrite this abstract so that a layperson understands it.
""".strip().splitlines()


def read_recorded_tasks():
    """(task id, what the agent was first told) of each recorded run."""
    with gzip.open(RECORDED, "rt", encoding="utf-8") as lines:
        return [(run["task_id"], run["first_user"]) for run in map(json.loads, lines)]


def read_distinct_tasks():
    """One text for each task there is: recorded agent runs, the requests in our telemetry samples, everyday ones."""
    recorded = {}
    for task_id, text in read_recorded_tasks():
        recorded.setdefault(task_id, text)
    asked = set()
    for expected in sorted(SAMPLES.glob("*/expected.json")):
        for run in json.loads(expected.read_text("utf-8"))["runs"]:
            asked.update([m["content"] for m in run["messages"] if m["role"] == "user"][:1])
    return [*recorded.values(), *sorted(asked), *EVERYDAY]
