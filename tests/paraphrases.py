"""Lessons, and tasks that should find them although they share hardly a word: what tells meanings from spellings."""

PARAPHRASES = (
    ("Look up the order before you accept a return", "A shopper wants a refund; is the purchase on record?"),
    ("Parse CSV with the csv module, not by splitting at commas", "Import a spreadsheet whose cells are quoted"),
    ("On HTTP 429 wait twice as long before each further try", "The remote endpoint throttles our client"),
    ("Store every timestamp in UTC", "Events from two time zones have to be put in sequence"),
    ("Have the caller confirm their account number first", "Which identification does a subscriber's upgrade need?"),
    ("A DELETE needs a WHERE clause and a dry run", "Purge outdated rows from the database without an accident"),
    (
        "The search tool gives ten hits a page; go on until a page is empty",
        "Gather each matching document from the lookup function",
    ),
    ("Sum money as decimals, never as floating point", "The invoice total is off by one cent"),
    ("Quit the headless browser when a crawl ends", "Our web scraper eats more and more memory"),
    ("Check which git branch is checked out before a hotfix", "Ship an urgent patch from the right line of work"),
    ("Leave the names and doses of medicines as they stand", "Condense a physician's note on a prescription"),
    ("Quote arguments that a user typed before they reach the shell", "Run a terminal program on visitor input"),
    ("Exchange rates may be cached for an hour", "Ask the currency service less often"),
    ("Mail the confirmation only once the booking is saved", "Tell the traveller that the reservation is done"),
    ("Validate the model's JSON and let it repair what fails", "The assistant's structured output is malformed"),
    ("Stream big files instead of reading them whole", "A forty gigabyte log exhausts the RAM"),
    ("An overnight flight lands on the next calendar day", "The red-eye shows a wrong arrival date"),
    ("Apologise to an angry customer before offering a solution", "Someone writes in, furious about a late parcel"),
    ("Without further word order the vegetarian meal", "Pick lunch for a guest whose diet is unknown"),
    ("Product names and code identifiers stay untranslated", "Produce the German edition of the developer manual"),
    ("Put an index on the foreign key of a slow join", "The query over two tables takes minutes"),
    ("Unit tests replace the network with a local server", "The test suite fails whenever the internet is down"),
    ("Cite the clause of the contract that an answer rests on", "Legal advice with evidence from the agreement"),
    ("Lock the account after three wrong passwords", "Somebody is guessing logins by brute force"),
)
"""(what a memory says, a task for which it is the right one)"""
