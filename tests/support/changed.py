"""Documents with one member changed."""
import copy


def changed(document, path, value):
    """A copy with the member at `path` ("context.identity", "events.0.call_id") set to `value`, or without it for None."""
    out = copy.deepcopy(document)
    *before, last = [int(word) if word.isdigit() else word for word in path.split(".")]
    part = out
    for name in before:
        part = part[name]
    if value is None:
        del part[last]
    else:
        part[last] = value
    return out
