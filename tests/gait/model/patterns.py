"""Patterns of paths and domains, from the reference's section 7.2, sharing nothing with the product."""
import re


def within(path, root):
    return path == root or root == "/" or path.startswith(root + "/")


def shell_pattern(pattern):
    """The regular expression of a shell pattern; None where it is malformed."""
    out, i = "", 0
    while i < len(pattern):
        c = pattern[i]
        i += 1
        if c == "*":
            out += "[^/]*"
        elif c == "?":
            out += "[^/]"
        elif c == "[":
            negated = pattern[i:i + 1] == "^"
            i += negated
            ranges, first = "", True
            while first or pattern[i:i + 1] != "]":
                first = False
                ends = []
                for _ in range(2):
                    if pattern[i:i + 1] in ("", "-", "]"):
                        return None
                    i += pattern[i] == "\\"
                    if i >= len(pattern):
                        return None
                    ends.append(pattern[i])
                    i += 1
                    if pattern[i:i + 1] != "-":
                        break
                    i += 1
                else:
                    i -= pattern[i - 1:i] == "-"
                if ends[0] <= ends[-1]:
                    ranges += re.escape(ends[0]) + "-" + re.escape(ends[-1])
            i += 1
            out += f"[{'^' if negated else ''}{ranges}]" if ranges else "(?s:.)" if negated else "(?!)"
        elif c == "\\":
            if i >= len(pattern):
                return None
            out += re.escape(pattern[i])
            i += 1
        else:
            out += re.escape(c)
    return out


def shell(pattern, name):
    expression = shell_pattern(pattern)
    return expression is not None and re.fullmatch(f"(?s:{expression})", name) is not None


def path_fits(pattern, path):
    if pattern.endswith("/**") and within(path, pattern[:-3]):
        return True
    return pattern == path or (not pattern.endswith("/**") and shell(pattern, path))


def domain_fits(pattern, name):
    if pattern.startswith("*."):
        return pattern == name or name.endswith(pattern[1:])
    return pattern == name or shell(pattern, name)
