"""Whether a run broke off because something around the agent was out of order. Pure.

A model that cannot be reached, a limit on requests, a refused key: no agent could have avoided such a failure, and it
says nothing about the task.
"""

import re
from typing import Final

_LONGEST_READ: Final = 1_000
_STATUS: Final = r"(?:401|403|408|429|5\d\d)\b"
_OUTAGE: Final = re.compile(
    r"(?:"
    rf"\b(?:error|status)(?:[ _]code)?\s?[:=]?\s?{_STATUS}|\bhttp(?:/\d(?:\.\d)?)?\s(?:status\s|error\s)?{_STATUS}"
    rf"|^\W{{0,3}}{_STATUS}\s"
    r"|\bconnection\s?(?:error|refused|reset|aborted|closed|lost|timed\sout)|\b(?:api|client)connect(?:ion|or)"
    r"|\bremote\s?protocol\s?error|\bremote\send\sclosed|\bserver\sdisconnected|\bnetwork\sis\sunreachable"
    r"|\b(?:request|connection|connect|read|apis?)\s?time(?:d\s)?out|\bname\sresolution|\bgetaddrinfo"
    r"|\bname\sor\sservice\snot\sknown|\bcertificate\sverify\sfailed"
    r"|\bECONN(?:REFUSED|RESET|ABORTED)\b|\bETIMEDOUT\b|\bENOTFOUND\b|\bEAI_AGAIN\b"
    r"|\brate[\s_]?limit|\btoo\smany\srequests|\binsufficient[\s_]quota|\bexceeded\syour\s(?:current\s)?quota"
    r"|\boverloaded\b|\boverloaded_error|\bservice\s?unavailable|\bbad\sgateway|\bgateway\stime-?out"
    r"|\binternal\s?server\s?error|\bserver\shad\san\serror"
    r"|\b(?:invalid|incorrect|missing|no)\sapi[\s_]key|\bauthentication[\s_]?error|\bunauthori[sz]ed\b"
    r"|\bStatusCode\.(?:UNAVAILABLE|RESOURCE_EXHAUSTED|UNAUTHENTICATED|DEADLINE_EXCEEDED)\b"
    r")",
    re.IGNORECASE,
)


def is_outage(error: str) -> bool:
    """Whether these words, the error that a run ended with, tell of an outage and not of what the agent did."""
    return _OUTAGE.search(error[:_LONGEST_READ]) is not None
