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

        head = b""

        async def _send_h11_event(self, event) -> None:
            send = self.send

            async def together(sent) -> None:
                if isinstance(event, h11.Response) and isinstance(sent, RawData):
                    self.head = sent.data
                    return
                if isinstance(sent, RawData):
                    sent, self.head = RawData(data=self.head + sent.data), b""
                await send(sent)

            self.send = together
            try:
                await super()._send_h11_event(event)
            finally:
                self.send = send

    hypercorn.protocol.H11Protocol = WholeAnswers
