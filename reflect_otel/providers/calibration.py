"""The retrieval gate of an embedder that nobody has measured yet: from the cosines of tasks that differ.

How near two unrelated texts come is a property of the model: 0.1 with one, 0.8 with another. The gate is the 95th
percentile of the cosine between different tasks, so that one pair in twenty passes by chance.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from reflect_otel.ports import Vector

FALLBACK_GATE: Final = 0.35
"""Until an embedder is measured."""

_PERCENTILE: Final = 0.95
_LOWEST, _HIGHEST = 0.02, 0.95

TASKS: Final = """
I need to change the return flight of my reservation to one day later.
My flight was cancelled and I would like to know what compensation I can get.
Please cancel my trip to Boston and refund the original card.
Add two checked bags to my booking and tell me what they cost.
Can you upgrade both passengers to business class on the outbound flight?
I want to book the cheapest one-way flight to Seattle for next Tuesday.
I would like to exchange the headphones in my last order for another colour.
Where is my parcel? The tracking page has not changed for a week.
I received a broken lamp and want my money back.
Please change the delivery address of my pending order.
How many sizes of this jacket are in stock right now?
Cancel the order I placed this morning, I chose the wrong item.
Write a Python function that merges two sorted lists.
Fix the failing unit tests of the payment module.
Explain why this SQL query over two tables is slow and speed it up.
Refactor the login handler to use async database calls.
Find the memory leak in the worker process.
Upgrade the dependency that has a known vulnerability.
Summarize the quarterly report in three bullet points.
Rewrite this abstract so that a layperson understands it.
Translate the user manual into German and keep the product names.
Turn the meeting transcript into action items with owners.
Draft a polite reply to a customer who asks for a refund.
Correct grammar and style of the following paragraph.
What is the capital of France?
Who won the football world cup in 2014?
Which documents must I bring to renew a passport?
What are the side effects of ibuprofen?
Compare the pricing of the three largest cloud providers.
When was the bridge over the river finished, and who paid for it?
Plan a three day trip to Lisbon on a small budget.
Book a table for two at an Italian restaurant tomorrow evening.
Schedule a meeting with the design team next Tuesday at ten.
Remind me every Friday to send the time sheet.
Recommend a science fiction novel for a twelve year old.
Suggest a vegetarian menu for eight guests.
Find all customers who have not placed an order in the last ninety days.
Check whether the invoice total matches the purchase order.
Classify these support tickets by urgency.
Calculate the monthly payment of a mortgage over thirty years.
Forecast next month's sales from the attached table.
Extract every e-mail address from the text below.
Open the settings page and switch the language to French.
Search the web for the newest release of this library.
Click through the form and submit the application.
Log in to the router and restart the wireless network.
Download all attachments of yesterday's mails into one folder.
Compare the two contracts and list what has changed.
""".strip().splitlines()
"""Tasks of eight kinds, six of each: most pairs have nothing in common, some only their kind."""


def read_gate(vectors: Sequence[Vector]) -> float:
    """The gate from the unit vectors of ``TASKS``, kept between 0.02 and 0.95."""
    rows = np.asarray(vectors, np.float64)
    cosines = (rows @ rows.T)[np.triu_indices(len(rows), 1)]
    return round(float(np.clip(np.quantile(cosines, _PERCENTILE), _LOWEST, _HIGHEST)), 4)
