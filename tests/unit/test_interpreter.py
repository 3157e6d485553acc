"""How the service's process shares Python out."""

import gc
import sys

from collector_plugin.interpreter import shared_out


def test_threads_take_over_sooner_and_what_is_loaded_is_left_alone_until_the_end():
    before = (sys.getswitchinterval(), gc.get_threshold(), gc.get_freeze_count())
    loaded = [[number] for number in range(100)]
    with shared_out():
        assert sys.getswitchinterval() < before[0]
        assert gc.get_threshold() > before[1]
        assert gc.get_freeze_count() > before[2] + len(loaded)
    assert (sys.getswitchinterval(), gc.get_threshold(), gc.get_freeze_count()) == before
