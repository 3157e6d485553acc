"""The untraced agent in a ``run()`` block, reviewed when all its spans have ended."""

import sys

from openai_agent import main

import reflect_otel

with reflect_otel.run(sys.argv[2], task=sys.argv[1]):
    main()
    assert reflect_otel.review("fail", "Form 9 is the one.")
