"""Random trees of built-in nodes, sound ones and damaged ones."""

import random
import re
from xml.sax.saxutils import quoteattr

ENTRIES = ["a", "b", "c", "s", "t", "n"]
LITERALS = [
    "0", "1", "2", "3", "-1", "42", "007", "0x1F", "2.5", "0.1", "1e3", "3.0", "1e-8", "true", "false",
    "'x'", "'12'", "'2.5'", "'true'", "''", "'abc'", "'1;2;3'", "' 7'",
    "2147483648", "4294967296", "9007199254740993",
]  # fmt: skip
CONTROLS = [
    "Sequence", "SequenceWithMemory", "AsyncSequence", "ReactiveSequence", "Fallback", "AsyncFallback",
    "ReactiveFallback", "Parallel", "ParallelAll", "IfThenElse", "WhileDoElse", "TryCatch", "Switch2", "Switch3",
]  # fmt: skip
DECORATORS = [
    "Inverter", "ForceSuccess", "ForceFailure", "Repeat", "RetryUntilSuccessful", "KeepRunningUntilFailure", "RunOnce",
    "Precondition", "LoopInt", "LoopBool", "LoopDouble", "LoopString", "SkipUnlessUpdated", "WaitValueUpdate",
]  # fmt: skip
QUEUES = {
    "LoopInt": ["1;2;3", "1", "", "3;4"],
    "LoopBool": ["true;false", "1;0", ""],
    "LoopDouble": ["1;2.5", ""],
    "LoopString": ["a;b", "x", ""],
}
SPANS_MS = ["25", "45", "65"]


class Trees:
    """Trees from a seed; with `timed`, also of nodes that take time."""

    def __init__(self, seed: int, timed: bool):
        self.random = random.Random(seed)
        self.timed = timed

    def pick(self, choices):
        return self.random.choice(choices)

    def chance(self, of: float) -> bool:
        return self.random.random() < of

    def expression(self, depth: int) -> str:
        if depth <= 0 or self.chance(0.25):
            return self.pick(ENTRIES) if self.chance(0.45) else self.pick(LITERALS)

        def operand() -> str:
            return self.expression(depth - 1)

        forms = [
            lambda: f"{operand()} {self.pick(['+', '-', '*', '/', '..'])} {operand()}",
            lambda: f"{operand()} {self.pick(['==', '!=', '<', '>', '<=', '>='])} {operand()}",
            lambda: f"{operand()} {self.pick(['&&', '||'])} {operand()}",
            lambda: f"{operand()} {self.pick(['&', '|', '^'])} {operand()}",
            lambda: f"{self.pick(['!', '-', '~'])}{operand()}",
            lambda: f"({operand()})",
            lambda: f"{operand()} ? {operand()} : {operand()}",
        ]
        return self.pick(forms)()

    def script(self) -> str:
        def statement():
            entry = ("@" if self.chance(0.06) else "") + self.pick(ENTRIES)
            return f"{entry} {self.pick([':=', ':=', ':=', '=', '+=', '-=', '*=', '/='])} {self.expression(self.random.randint(0, 2))}"

        return "; ".join(statement() for _ in range(self.random.randint(1, 2)))

    def condition(self) -> str:
        forms = [
            lambda: f"{self.pick(ENTRIES)} {self.pick(['==', '!=', '<', '>'])} {self.pick(['0', '1', '2', '3', chr(39) + 'x' + chr(39)])}",
            lambda: self.pick(["true", "false", "1", "0"]),
            lambda: self.expression(2),
        ]
        return self.pick([forms[0], *forms])()

    def attributes(self) -> str:
        out = {}
        if self.chance(0.3):
            for _ in range(self.random.randint(1, 2)):
                name = self.pick(["_skipIf", "_failureIf", "_successIf", "_while", "_onSuccess", "_onFailure", "_onHalted", "_post"])
                is_condition = name in ("_skipIf", "_failureIf", "_successIf", "_while")
                out[name] = self.condition() if is_condition else self.script()
        if self.chance(0.1):
            out["name"] = self.pick(["x", "y", "z", "AlwaysSuccess", "a b"])
        return written(out)

    def value(self, literals, entry: float = 0.4) -> str:
        """A literal, or, as often as `entry` says, an entry."""
        if self.chance(entry):
            return "{" + self.pick(["", "", "", "@"]) + self.pick(ENTRIES) + "}"
        return self.pick(literals)

    def leaf(self, sub_trees) -> str:
        if self.timed and self.chance(0.3):
            return f"<Sleep{written({'msec': self.pick(SPANS_MS)})}{self.attributes()}/>"
        kind = self.random.random()
        if kind < 0.2:
            return f"<AlwaysSuccess{self.attributes()}/>"
        if kind < 0.35:
            return f"<AlwaysFailure{self.attributes()}/>"
        if kind < 0.6:
            return f"<Script{written({'code': self.script()})}{self.attributes()}/>"
        if kind < 0.7:
            return f"<ScriptCondition{written({'code': self.condition()})}{self.attributes()}/>"
        if kind < 0.85:
            key = self.pick(ENTRIES) if self.chance(0.85) else "{" + self.pick(ENTRIES) + "}"
            key = ("@" if self.chance(0.1) else "") + key
            ports = {"value": self.value(["1", "2.5", "x", "true", "", "1;2", " 3", "0x10", "1e5"]), "output_key": key}
            return f"<SetBlackboard{written(ports)}{self.attributes()}/>"
        if kind < 0.89:
            return f"<UnsetBlackboard{written({'key': self.pick(ENTRIES)})}{self.attributes()}/>"
        if kind < 0.93 or not sub_trees:
            return f"<WasEntryUpdated{written({'entry': '{' + self.pick(ENTRIES) + '}'})}{self.attributes()}/>"
        return self.sub_tree(self.pick(sub_trees))

    def sub_tree(self, tree: str) -> str:
        ports = {"ID": tree}
        for entry in ENTRIES:
            if self.chance(0.25):
                other = self.pick(ENTRIES)
                ports[entry] = self.pick(["{=}", "{" + other + "}", "{@" + other + "}", "1", "2.5", "x", "true", "", "{}", "42"])
        if self.chance(0.3):
            ports["_autoremap"] = self.pick(["true", "false", "1"])
        return f"<SubTree{written(ports)}{self.attributes()}/>"

    def ports_of(self, tag: str) -> dict[str, str]:
        """Ports of a node with children; most are left out now and then."""
        out = {}

        def counts() -> str:
            return self.value(["1", "2", "-1", "-2", "3"], 0.15)

        if tag == "Parallel":
            out = {name: counts() for name in ("success_count", "failure_count") if self.chance(0.6)}
        elif tag == "ParallelAll" and self.chance(0.6):
            out["max_failures"] = counts()
        elif tag == "TryCatch" and self.chance(0.5):
            out["catch_on_halt"] = self.pick(["true", "false"])
        elif tag.startswith("Switch"):
            out["variable"] = self.value(["1", "x", "2.5"], 0.9)
            for case in range(int(tag[-1])):
                if self.chance(0.95):
                    out[f"case_{case + 1}"] = self.value(["1", "2", "x", "3", "2.5", "1.0", "abc", "true", "007"], 0.2)
        elif tag == "Repeat":
            out["num_cycles"] = self.value(["2", "3", "0", "1", "2.9"], 0.25)
        elif tag == "RetryUntilSuccessful":
            out["num_attempts"] = self.value(["2", "3", "0", "1"], 0.25)
        elif tag == "RunOnce" and self.chance(0.5):
            out["then_skip"] = self.value(["true", "false"], 0.1)
        elif tag == "Precondition":
            out["if"] = self.condition()
            if self.chance(0.7):
                out["else"] = self.pick(["SUCCESS", "FAILURE", "SKIPPED", "RUNNING"])
        elif tag in QUEUES:
            queue = self.value(QUEUES[tag])
            out["queue"] = queue
            # The library waits for itself for ever where both are one entry.
            if self.chance(0.8):
                entries = ["{" + entry + "}" for entry in ENTRIES if entry not in queue]
                out["value"] = self.pick(entries)
            if self.chance(0.4):
                out["if_empty"] = self.pick(["SUCCESS", "FAILURE", "SKIPPED"])
        elif tag in ("SkipUnlessUpdated", "WaitValueUpdate"):
            out["entry"] = "{" + self.pick(ENTRIES) + "}"
        elif tag == "Timeout":
            out["msec"] = self.pick(SPANS_MS)
        elif tag == "Delay":
            out["delay_msec"] = self.pick(SPANS_MS)
        return out

    def node(self, depth: int, sub_trees) -> str:
        if depth <= 0 or self.chance(0.25):
            return self.leaf(sub_trees)
        if self.timed and self.chance(0.25):
            tag, n_children = self.pick(["Timeout", "Delay"]), 1
        elif self.chance(0.6):
            tag = self.pick(CONTROLS)
            n_children = self.random.randint(1, 4)
            if tag in ("IfThenElse", "WhileDoElse", "TryCatch"):
                n_children = self.random.randint(2, 3)
            elif tag.startswith("Switch"):
                n_children = int(tag[-1]) + 1
        else:
            tag, n_children = self.pick(DECORATORS), 1
        children = "".join(self.node(depth - 1, sub_trees) for _ in range(n_children))
        return f"<{tag}{written(self.ports_of(tag))}{self.attributes()}>{children}</{tag}>"

    def file(self) -> str:
        sub_trees = ["Sub1", "Sub2"][: self.pick([0, 0, 1, 2])]
        first = "; ".join(f"{entry} := {self.pick(LITERALS)}" for entry in ENTRIES if self.chance(0.7)) or "a := 1"
        depth = self.pick([1, 2, 3, 3])
        body = f"<Script{written({'code': first})}/>" if self.chance(0.8) else ""
        body += "".join(self.node(depth, sub_trees) for _ in range(self.random.randint(1, 2)))
        out = '<root BTCPP_format="4" main_tree_to_execute="Main">\n'
        out += f'<BehaviorTree ID="Main"><Sequence>{body}</Sequence></BehaviorTree>\n'
        for at, tree in enumerate(sub_trees):
            out += f'<BehaviorTree ID="{tree}">{self.node(2, sub_trees[:at])}</BehaviorTree>\n'
        if sub_trees and self.chance(0.2):
            out += '<TreeNodesModel><SubTree ID="Sub1"><input_port name="a" default="7"/><inout_port name="b" default="{c}"/></SubTree></TreeNodesModel>\n'
        return out + "</root>\n"

    def damaged(self, text: str) -> str:
        """With one or two places changed."""
        for _ in range(self.random.randint(1, 2)):
            text = self.pick(DAMAGES)(self, text)
        return text

    def at_attribute(self, text: str, change) -> str:
        found = list(re.finditer(r' ([A-Za-z_0-9]+)="([^"]*)"', text))
        return replaced(text, self.pick(found), change) if found else text

    def at_leaf(self, text: str, change) -> str:
        found = list(re.finditer(r"<([A-Za-z0-9]+)([^<>]*)/>", text))
        return replaced(text, self.pick(found), change) if found else text


def written(attributes: dict[str, str]) -> str:
    return "".join(f" {name}={quoteattr(value)}" for name, value in attributes.items())


def replaced(text: str, found: re.Match, change) -> str:
    return text[: found.start()] + change(found) + text[found.end() :]


VALUES = [
    "", "{a}", "{ a }", "{@b}", "{}", "{=}", "1 ", "-1", "+1", "2.9", "true", "TRUE", "SUCCESS", "abc;1", "0x1", "{a} ",
    "{a", "99999999999", "1e3", "inf", "nan", "{a b}", "{1}", "{@}", "{@@a}", "{_a}",
]  # fmt: skip
NAMES = ["x", "_x", "name", "ID", "_onsuccess", "value", "a.b", "code", "_autoremap", "_skipIf", "msec", "Name"]
ELEMENTS = [
    "", "<AlwaysSuccess/><AlwaysSuccess/>", "<!-- nothing -->", "text", "<AlwaysSucces/>", '<SubTree ID="Main"/>',
    '<SubTree ID="Nowhere"/>', "<SubTree/>",
]  # fmt: skip
ENDS = [
    "", "</root><root/>", '<BehaviorTree ID="Main"><AlwaysFailure/></BehaviorTree></root>', '<BehaviorTree ID="E"/></root>',
    "<Other/></root>", '<include path="nowhere.xml"/></root>', "<TreeNodesModel/></root>",
    "<BehaviorTree><AlwaysSuccess/></BehaviorTree></root>",
]  # fmt: skip
DAMAGES = [
    lambda of, text: of.at_attribute(text, lambda found: ""),
    lambda of, text: of.at_attribute(text, lambda found: f' {found[1]}="{of.pick(VALUES)}"'),
    lambda of, text: of.at_attribute(text, lambda found: f' {found[1]}="{of.pick(VALUES)}"'),
    lambda of, text: of.at_attribute(text, lambda found: f' {of.pick(NAMES)}="{found[2]}"'),
    lambda of, text: of.at_leaf(text, lambda found: of.pick(ELEMENTS)),
    lambda of, text: of.at_leaf(text, lambda found: f'<{of.pick(["Action", "Condition", "Control"])} ID="{found[1]}"{found[2]}/>'),
    lambda of, text: text.replace(' main_tree_to_execute="Main"', of.pick(["", ' main_tree_to_execute="Sub1"', ' main_tree_to_execute=""']), 1),
    lambda of, text: text.replace('ID="Main"', of.pick(["", 'ID=""', 'ID="Sub1"', 'ID="Ma in"', 'ID="Ma/in"', 'ID="Sequence"']), 1),
    lambda of, text: text.replace("</root>", of.pick(ENDS), 1),
]
