"""Sessions of anonymous visitors; the helper lies where every room can reach it."""

from gateway.vo.sessions import ensure_session

__all__ = ["ensure_session"]
