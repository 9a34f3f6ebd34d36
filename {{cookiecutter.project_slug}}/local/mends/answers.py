"""How an answer leaves the server: head and body together."""

from __future__ import annotations

from mends import mend


@mend("http.whole-answers", "an answer's head leaves before its body, and now and then (4 of 3,500 requests) the provider's "
      "client hangs up between the two: it asks again for what is made, and is told that it already exists")
def whole_answers() -> None:
    import h11
    import hypercorn.protocol
    from hypercorn.events import RawData

    class WholeAnswers(hypercorn.protocol.H11Protocol):
        """Keeps an answer's head back until there is a body, or the end."""

        def __init__(self, *arguments, **named) -> None:
            super().__init__(*arguments, **named)
            self.onward, self.send = self.send, self.together
            self.is_head, self.head = False, b""

        async def _send_h11_event(self, event) -> None:
            self.is_head = isinstance(event, h11.Response)  # read before anybody else has a turn
            await super()._send_h11_event(event)

        async def together(self, event) -> None:
            if isinstance(event, RawData):
                if self.is_head:
                    self.is_head, self.head = False, event.data
                    return
                event, self.head = RawData(data=self.head + event.data), b""
            await self.onward(event)

    hypercorn.protocol.H11Protocol = WholeAnswers
