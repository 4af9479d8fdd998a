"""Values of every kind, as arguments of tasks; and a text that tells any two apart."""

import collections
import datetime
import decimal
import enum
import fractions
import random
import uuid


class Color(enum.IntEnum):
    RED = 1
    BLUE = 2


class Flag(enum.IntFlag):
    A = 1
    B = 2


class Shade(str, enum.Enum):
    DARK = "dark"


class Name(str):
    pass


Point = collections.namedtuple("Point", "x y")


class Thing:
    def __init__(self, value):
        self.value = value

    def __json__(self):
        return {"thing": self.value}


class Sly:
    """Its repr is a literal, and is not it."""

    def __init__(self, text):
        self.text = text

    def __repr__(self):
        return self.text


def canonical(value):
    """Equal for values that are equal and of the same classes all the way down."""
    kind = type(value).__name__
    if isinstance(value, enum.Enum):
        return f"{kind}.{value.name}:{value.value}"
    if isinstance(value, dict):
        items = sorted((canonical(k), canonical(v)) for k, v in value.items())
        return f"{kind}{items}"
    if isinstance(value, (list, tuple)):
        return f"{kind}{[canonical(one) for one in value]}"
    if isinstance(value, (set, frozenset)):
        return f"{kind}{sorted(canonical(one) for one in value)}"
    if isinstance(value, float):
        return f"{kind}:{value.hex()}"
    if isinstance(value, str):
        return f"{kind}:{value.encode('utf-8', 'surrogatepass').hex()}"
    if isinstance(value, (Thing, Sly)):
        return f"{kind}{canonical(vars(value))}"
    return f"{kind}:{value!r}"


TEXTS = ["", "a", "it's", '"', "'", "\\", "a\\", "a\\'b", "\\n", "C:\\new", "line\nbreak", "\r\n\t",
         "...", "abc...", "...)", "', 'b", "', ...", "a', 'b\\", ", ", "(1, 2)", "{'a': 1}", "None",
         "1", "é", "€ 😀", "\u2028", "\x85", "\x7f", "\x00", "\x1b[0m", "\ufffd", "\uffff", "\ud800",
         "2026-11-27T00:00:00", "2026-11-27", "yes", "~", "0x10", "1e5", "- x", "***", "<redacted>",
         "b'x'", "%s %(a)s", "{}", "x" * 200, "x y " * 200, "q'" * 100, "é" * 700, "x" * 3000]
NUMBERS = [0, 1, -1, 2**31, -2**63, 2**63, 2**64, 10**40, -10**400, 0.1, -0.0, 1e16, 1e22, 1e-7,
           5e-324, 1.7976931348623157e308, 0.30000000000000004, 3.0, 123456789.123456789]


def plain(rng, depth=0):
    """What every serializer brings back as it was."""
    kind = rng.random()
    if depth < 4 and kind < 0.15:
        return [plain(rng, depth + 1) for _ in range(rng.choice((0, 1, 2, 3)))]
    if depth < 4 and kind < 0.3:
        return {rng.choice(TEXTS[:28]): plain(rng, depth + 1) for _ in range(rng.choice((0, 1, 3)))}
    if kind < 0.5:
        return rng.choice(NUMBERS)
    if kind < 0.6:
        return rng.uniform(-1e6, 1e6) if rng.random() < 0.5 else rng.getrandbits(rng.randrange(1, 90))
    if kind < 0.7:
        return rng.choice((None, True, False))
    return rng.choice(TEXTS) if rng.random() < 0.5 else rng.choice(TEXTS[:4])


def odd(rng, depth=0):
    """What some serializer turns into something else, or refuses."""
    utc = datetime.timezone.utc
    makers = [
        lambda: float("inf"), lambda: float("-inf"), lambda: float("nan"),
        lambda: b"bytes", lambda: b"\xff\x00", lambda: bytearray(b"x"), lambda: complex(1, 2),
        lambda: datetime.datetime(2026, 11, 27, 1, 2, 3, 45), lambda: datetime.date(2026, 11, 27),
        lambda: datetime.datetime(2026, 11, 27, tzinfo=utc), lambda: datetime.time(1, 2),
        lambda: datetime.timedelta(1), lambda: decimal.Decimal(rng.choice(("1", "0.10", "NaN"))),
        lambda: uuid.UUID(int=rng.getrandbits(128)), lambda: fractions.Fraction(rng.choice((1, 3)), 3),
        lambda: fractions.Fraction(4, 2), lambda: Color.RED, lambda: Flag.A | Flag.B,
        lambda: Shade.DARK, lambda: Name("name"), lambda: Point(1, 2), lambda: Thing(3),
        lambda: Sly("1"), lambda: Sly("'text'"), lambda: Sly("(1, 2)"), lambda: Sly("None"),
        lambda: {1, 2}, lambda: frozenset({1}), lambda: set(), lambda: range(3), lambda: ...,
        lambda: collections.OrderedDict(a=1), lambda: collections.Counter("aab"),
        lambda: {1: "a"}, lambda: {None: 1, True: 2}, lambda: {(1, 2): 3}, lambda: {1.5: 1},
        lambda: {1: "a", "1": "b"}, lambda: {b"k": 1}, lambda: {"__type__": "x", "__value__": 1},
        lambda: {"__type__": "decimal", "__value__": "1.5"}, lambda: {"__type__": 1},
        lambda: (1, 2), lambda: (), lambda: ((1,), [2]), lambda: (value(rng, depth + 1),),
        lambda: list(range(500)), lambda: ["x" * 30] * 60, lambda: {str(i): i for i in range(300)},
        lambda: [[[[1]]]], lambda: {"a": {"b": {"c": {"d": 1}}}}, lambda: [[], {}, ()],
    ]
    return rng.choice(makers)()


def value(rng, depth=0):
    if depth < 3 and rng.random() < 0.15:
        return [value(rng, depth + 1) for _ in range(rng.choice((1, 2)))]
    return odd(rng, depth) if rng.random() < 0.4 else plain(rng, depth)


def arguments(seed):
    """(args, kwargs), the same for the same seed."""
    rng = random.Random(seed)
    make = plain if rng.random() < 0.5 else value
    args = [make(rng) for _ in range(rng.choice((0, 1, 1, 2, 3)))]
    kwargs = {rng.choice(("a", "key", "long_name", "ü")): make(rng)
              for _ in range(rng.choice((0, 0, 1, 2)))}
    return tuple(args) if rng.random() < 0.5 else args, kwargs
