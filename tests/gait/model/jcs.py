"""RFC 8785 and the conventions for text and time, from the reference's sections 3.2 to 3.4, on Python's own types."""
import hashlib
import json
import re

WHITE = "".join(map(chr, [*range(0x9, 0xe), 0x20, 0x85, 0xa0, 0x1680, *range(0x2000, 0x200b), 0x2028, 0x2029, 0x202f,
                          0x205f, 0x3000]))
ZERO_TIME = "0001-01-01T00:00:00Z"
TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)")
MONTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def trim(text):
    return text.strip(WHITE)


def lower(text):
    return "".join("i" if c == "\u0130" else c.lower() for c in text)


def normal(text):
    return lower(trim(text))


def by_bytes(text):
    return text.encode("utf-8", "surrogatepass")


def text_set(texts, lowers):
    return sorted({t for t in (normal(t) if lowers else trim(t) for t in texts) if t}, key=by_bytes)


def number(value):
    """ECMAScript's shortest form."""
    value = float(value)
    if value == 0:
        return "0"
    digits, exponent = f"{value!r}".lstrip("-"), 0
    mantissa, _, power = digits.partition("e")
    whole, _, fraction = mantissa.partition(".")
    exponent = int(power or 0) + len(whole)
    figures = (whole + fraction).lstrip("0")
    exponent -= len(whole + fraction) - len(figures)
    figures = figures.rstrip("0")
    sign = "-" if value < 0 else ""
    if 0 < exponent <= 21:
        if len(figures) <= exponent:
            return sign + figures + "0" * (exponent - len(figures))
        return sign + figures[:exponent] + "." + figures[exponent:]
    if -6 < exponent <= 0:
        return sign + "0." + "0" * -exponent + figures
    text = figures[0] + ("." + figures[1:] if len(figures) > 1 else "")
    return f"{sign}{text}e{'+' if exponent > 0 else '-'}{abs(exponent - 1)}"


def canonical(value):
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\x7f")
    if isinstance(value, (int, float)):
        return number(value)
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
    return "{" + ",".join(canonical(name) + ":" + canonical(value[name]) for name in names) + "}"


def digest(value):
    return hashlib.sha256(by_bytes(canonical(value))).hexdigest()


def time(text):
    """(seconds since 0001-01-01T00:00:00Z, nanoseconds), or None where `text` is no time."""
    found = TIME.fullmatch(text)
    if not found:
        return None
    year, month, day, hour, minute, second = map(int, found.groups()[:6])
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not 1 <= month <= 12 or not 1 <= day <= MONTHS[month - 1] + (leap and month == 2):
        return None
    if hour > 23 or minute > 59 or second > 59:
        return None
    nanos = int(((found[7] or "") + "0" * 9)[:9])
    offset = 0
    if found[8] != "Z":
        hours, minutes = int(found[8][1:3]), int(found[8][4:])
        if hours > 23 or minutes > 59:
            return None
        offset = (hours * 60 + minutes) * 60 * (1 if found[8][0] == "+" else -1)
    before = year - 1
    days = before * 365 + before // 4 - before // 100 + before // 400 + sum(MONTHS[:month - 1]) + day - 1
    days += leap and month > 2
    return (((days * 24 + hour) * 60 + minute) * 60 + second - offset, nanos)


def time_text(moment):
    seconds, nanos = moment
    days, rest = divmod(seconds, 86400)
    year = 1
    while True:
        leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        if days < 365 + leap:
            break
        days -= 365 + leap
        year += 1
    month = 0
    while days >= MONTHS[month] + (leap and month == 1):
        days -= MONTHS[month] + (leap and month == 1)
        month += 1
    fraction = f".{nanos:09d}".rstrip("0") if nanos else ""
    return f"{year:04d}-{month + 1:02d}-{days + 1:02d}T{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}{fraction}Z"
