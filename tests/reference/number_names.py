"""Numbers in words, the plain way: three digits at a time."""

ONES = [
    *[
        "",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
    ],
    *["fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"],
]
TENS = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def name(number, british=False):
    if number == 0:
        return "zero"
    words = []
    for scale, scale_name in ((10**9, "billion"), (10**6, "million"), (10**3, "thousand"), (1, "")):
        group = number // scale % 1000
        if not group:
            continue
        hundreds, rest = divmod(group, 100)
        if hundreds:
            words += [ONES[hundreds], "hundred"]
        if rest and british and (hundreds or (words and scale == 1)):
            words.append("and")
        words += [ONES[rest]] if rest < 20 else [TENS[rest // 10], ONES[rest % 10]]
        words.append(scale_name)
    return " ".join(word for word in words if word)
