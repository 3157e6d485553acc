"""Vectors in half precision: half the bytes to scan, and known how far off each product can be."""

import math
import os
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

# FAISS asks OpenMP for every core on each calling thread; one query of this size is faster on one.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import faiss  # the setting above counts only before the first import

LARGEST: Final = float(np.finfo(np.float16).max)
"""Largest absolute value a component may have."""

_SUMMING: Final = 1e-5
"""More than float32 sums of the products of unit vectors can be off."""
_SPARE: Final = 12


class HalfVectors:
    """The half-precision copies of rows numbered from 0. Any number of threads may search while none changes it.

    Args:
        dimensions: length of every row.
    """

    def __init__(self, dimensions: int) -> None:
        self._dimensions = dimensions
        self._largest_error = 0.0
        self._index = faiss.IndexScalarQuantizer(
            dimensions, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
        )

    def append(self, row: NDArray[np.float32]) -> None:
        """Copy a row behind the last one."""
        self._index.add_sa_codes(self._round(row).view(np.uint8)[np.newaxis])

    def replace(self, slot: int, row: NDArray[np.float32]) -> None:
        """Copy a row over the one at ``slot``."""
        rows = faiss.rev_swig_ptr(self._index.codes.data(), self._index.ntotal * self._index.code_size)
        rows.view(np.float16).reshape(-1, self._dimensions)[slot] = self._round(row)

    def pop(self) -> None:
        """Forget the last row."""
        last = self._index.ntotal - 1
        self._index.codes.resize(last * self._index.code_size)  # remove_ids would look at every row
        self._index.ntotal = last

    def find(self, query: NDArray[np.float32], wanted: int) -> NDArray[Any]:
        """Slots of rows among which the ``wanted`` with the largest inner products are for certain.

        They are all whose products cannot be told from that of the last wanted one.
        """
        count, asked = self._index.ntotal, wanted
        doubt = 2 * self._largest_error * math.sqrt(query @ query)  # Cauchy-Schwarz
        while True:
            asked = min(asked + _SPARE, count)
            products, slots = self._index.search(query[np.newaxis], asked)
            least = products[0, wanted - 1] - doubt
            if asked == count or products[0, -1] < least:
                found: NDArray[Any] = slots[0, products[0] >= least]
                return found
            asked *= 2

    def _round(self, row: NDArray[np.float32]) -> NDArray[np.float16]:
        rounded = row.astype(np.float16)
        off = row - rounded
        error = math.sqrt(off @ off) + _SUMMING * math.sqrt(row @ row)
        self._largest_error = max(self._largest_error, error)
        return rounded
