"""Numbers for a reader."""


def ranges(numbers, most=None):
    """"3-5, 9" of [3, 4, 5, 9]. most: so many ranges, and how many more there are."""
    found = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    text = ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in found[:most])
    return text + (f" and {len(found) - most} more" if most and len(found) > most else "")
