"""How many answers somebody may have, so that nobody has us flood somebody else."""

from dataclasses import dataclass
from typing import Final

# Who gets to know us reads some twenty properties, perhaps one by one.
BURST: Final = 40.0
PER_S: Final = 1.0
# For all together: the sender of a datagram can be made up.
ALL_BURST: Final = 200.0
ALL_PER_S: Final = 10.0
# So many are told apart.
ADDRESSES: Final = 64


@dataclass(slots=True)
class _Bucket:
    """Is emptied by use and fills with time."""

    burst: float
    per_s: float
    left: float
    time_s: float = 0.0

    def fill(self, now_s: float) -> None:
        self.left = min(self.burst, self.left + self.per_s * (now_s - self.time_s))
        self.time_s = now_s


class Allowance:
    """Counts answers by the address that they go to, and all together."""

    def __init__(self) -> None:
        self._all = _Bucket(ALL_BURST, ALL_PER_S, ALL_BURST)
        self._each: dict[str, _Bucket] = {}

    def take(self, address: str, now_s: float) -> bool:
        """Return whether there may be one more answer, and count it."""
        bucket = self._bucket(address, now_s)
        if bucket is None:
            return False
        for each in (bucket, self._all):
            each.fill(now_s)
        if min(bucket.left, self._all.left) < 1.0:
            return False
        bucket.left -= 1.0
        self._all.left -= 1.0
        return True

    def _bucket(self, address: str, now_s: float) -> _Bucket | None:
        """Return what an address has left, None where there is no room for it."""
        bucket = self._each.get(address)
        if bucket is None:
            if len(self._each) >= ADDRESSES:
                self._forget(now_s)
            if len(self._each) >= ADDRESSES:
                return None
            bucket = self._each[address] = _Bucket(BURST, PER_S, BURST)
        return bucket

    def _forget(self, now_s: float) -> None:
        """Forget who has been quiet for long enough to have everything back."""
        for bucket in self._each.values():
            bucket.fill(now_s)
        self._each = {
            address: bucket
            for address, bucket in self._each.items()
            if bucket.left < bucket.burst
        }
