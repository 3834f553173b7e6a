"""Whole pictures of interlaced ones, whose odd and even rows were taken at different times."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction

import av
from av.filter import Graph


def progressive(frames: Iterable[av.VideoFrame], say: Callable[[str], None]) -> Iterator[av.VideoFrame]:
    """Yield as many frames at the same times; those that say that they are interlaced went through FFmpeg's bwdif."""
    graph: Graph | None = None
    kind: tuple[int, int, str] | None = None
    waiting: deque[tuple[int | None, av.VideoFrame]] = deque()
    for frame in frames:
        if graph is None and not frame.interlaced_frame:
            yield frame
            continue
        own = (frame.width, frame.height, frame.format.name)
        if graph is None or kind != own:
            if graph is not None:
                graph.push(None)
                yield from _pulled(graph, waiting)
            say("its frames are interlaced; they are made whole (deinterlaced by bwdif), at as many a second")
            graph, kind = _graph(frame), own
        waiting.append((frame.pts, frame))
        graph.push(frame)
        yield from _pulled(graph, waiting)
    if graph is not None:
        graph.push(None)
        yield from _pulled(graph, waiting)


def _graph(frame: av.VideoFrame) -> Graph:
    graph = Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 1000))
    graph.link_nodes(
        source, graph.add("bwdif", "mode=send_frame:deint=interlaced"), graph.add("buffersink")
    ).configure()
    return graph


def _pulled(graph: Graph, waiting: deque[tuple[int | None, av.VideoFrame]]) -> Iterator[av.VideoFrame]:
    """Yield what the filter has done: one frame for each in the same order, so times and colours are the original's."""
    while True:
        try:
            frame = graph.vpull()
        except (BlockingIOError, EOFError):
            return
        frame.pts, like = waiting.popleft()
        for name in ("colorspace", "color_range", "color_trc", "color_primaries"):
            setattr(frame, name, getattr(like, name))
        yield frame
