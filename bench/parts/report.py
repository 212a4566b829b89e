"""What was measured, as one table of ratios for people and as JSON for programs."""

import json
import statistics

UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "MiB": 1 << 20, "Gbit/s": 1e9}
RATES = {"Gbit/s"}
BASES = {"MiB": "bytes", "Gbit/s": "bits per second"}


class Target:
    """What the design asks for: a limit on a value or on the largest of them, on its ratio to a peer's from above or below, or how
    many times it must be less."""

    def __init__(self, kind, limit):
        self.kind, self.limit = kind, limit

    def judge(self, value, peer, largest):
        """The figure that counts, how it reads, and whether the target is met."""
        if self.kind == "each":
            return largest, None, largest <= self.limit
        if self.kind == "value":
            return value, None, value <= self.limit
        if self.kind == "ratio":
            return value / peer, f"{value / peer:.2f} of it", value / peer <= self.limit
        if self.kind == "at least":
            return value / peer, f"{value / peer:.2f} of it", value / peer >= self.limit
        return peer / value, f"{peer / value:.1f} times less", peer / value >= self.limit

    def text(self, unit):
        if self.kind == "value":
            return f"<= {self.limit / UNITS[unit]:g} {unit}"
        if self.kind == "each":
            return f"each <= {self.limit / UNITS[unit]:g} {unit}"
        if self.kind == "at least":
            return f">= {self.limit:.2g} of it"
        return f"<= {self.limit:.2g} of it" if self.kind == "ratio" else f">= {self.limit:g} times"


def at_most(limit):
    return Target("value", limit)


def each_at_most(limit):
    """Of the largest sample: what is promised of every one."""
    return Target("each", limit)


def ratio_at_most(limit):
    return Target("ratio", limit)


def ratio_at_least(limit):
    """Of what is better when there is more of it."""
    return Target("at least", limit)


def times_less(limit):
    return Target("times", limit)


class Section:
    """One measure: what Coracle needs, and the others' beside it."""

    def __init__(self, title, unit):
        self.title, self.unit = title, unit
        self._rows = []
        self._subject = None
        self.notes = []

    def subject(self, name, samples, target=None):
        """What the following peers are compared with."""
        self._subject = samples
        self._add(name, samples, target, None)

    def peer(self, name, samples, target=None):
        self._add(name, samples, target, self._subject)

    def note(self, text):
        self.notes.append(text)

    def _add(self, name, samples, target, subject):
        median = statistics.median(samples)
        row = {
            "name": name, "median": median, "min": min(samples), "max": max(samples), "samples": list(samples),
            "figure": None, "reads": "", "target": "", "met": None,
        }
        own = median if subject is None else statistics.median(subject)
        if target is not None:
            row["figure"], reads, row["met"] = target.judge(own, median, max(samples))
            row["reads"], row["target"] = reads or "", target.text(self.unit)
        elif subject is not None:
            kind = ratio_at_most(0) if own > median / 2 or self.unit in RATES else times_less(0)
            row["figure"], row["reads"], _ = kind.judge(own, median, max(samples))
        self._rows.append(row)

    def lines(self):
        yield self.title
        says = "coracle has" if self.unit in RATES else "coracle needs"
        yield f"  {'':30} {'median':>10}  {'min .. max':>17} {'n':>4}   {says:15} {'target':14}"
        for row in self._rows:
            scale = UNITS[self.unit]
            median = f"{_figure(row['median'] / scale)} {self.unit}"
            extent = f"{_figure(row['min'] / scale)} .. {_figure(row['max'] / scale)}"
            verdict = {None: "", True: "pass", False: "MISS"}[row["met"]]
            yield (
                f"  {row['name']:30} {median:>10}  {extent:>17} {len(row['samples']):>4}   "
                f"{row['reads']:15} {row['target']:14} {verdict}").rstrip()
        for note in self.notes:
            yield f"  {note}"

    def missed(self):
        return [f"{self.title}: {row['name']}" for row in self._rows if row["met"] is False]

    def judged(self):
        return sum(row["met"] is not None for row in self._rows)

    def as_json(self):
        return {"title": self.title, "unit": BASES.get(self.unit, "seconds"), "rows": self._rows, "notes": self.notes}


def show(sections, skipped, machine):
    """The table, on standard output."""
    print(f"\nCoracle beside others, medians of interleaved rounds ({machine})")
    for section in sections:
        print()
        for line in section.lines():
            print(line)
    if skipped:
        print("\nskipped")
        for name, reason in skipped:
            print(f"  {name}: {reason}")
    judged = sum(section.judged() for section in sections)
    missed = [name for section in sections for name in section.missed()]
    print(f"\n{judged - len(missed)} of {judged} targets met" + "".join(f"\n  missed: {name}" for name in missed))


def write_json(path, sections, skipped, machine):
    with open(path, "w") as file:
        json.dump(
            {
                "machine": machine, "sections": [section.as_json() for section in sections],
                "skipped": [{"name": name, "reason": reason} for name, reason in skipped],
            },
            file, indent=1)
        file.write("\n")


def _figure(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
