"""A TCP proxy that cuts, stalls and slows the connections that go through it."""

import contextlib
import socket
import struct
import threading

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close() sends RST


class Proxy:
    """Forwards a free port of 127.0.0.1 to another one. Use as a context manager.

    cut()     ends all connections with a reset; refuse(): those to come too, until heal()
    orphan()  ends the clients' side; the server's stays open and silent until heal()
    stall()   nothing gets through until heal(), and nobody is told
    slow(n)   n bytes at a time, a hundred times a second, until heal()
    lose_answer(sign)  the next piece for the server with these bytes arrives, and its
              connection ends before there is an answer
    answer_next(data)  the next connection gets these bytes for its first ones, and ends
    """

    def __init__(self, target_port):
        self.target_port = target_port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.pairs = []  # (client, server)
        self.orphans = []
        self.refusing = False
        self.piece = 0
        self.sign = None
        self.answer = None
        self.open = threading.Event()
        self.open.set()
        self.tick = threading.Event()  # never set: a pause that close() may end
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    # --- what happens to connections ---

    def cut(self):
        for pair in self._take_all():
            for side in pair:
                self._reset(side)

    def refuse(self):
        self.refusing = True
        self.cut()

    def orphan(self):
        for client, server in self._take_all():
            self.orphans.append(server)
            self._reset(client)

    def stall(self):
        self.open.clear()

    def slow(self, piece):
        self.piece = piece

    def lose_answer(self, sign):
        self.sign = sign

    def answer_next(self, data):
        self.answer = data

    def heal(self):
        self.refusing = False
        self.piece = 0
        self.open.set()
        for one in self.orphans:
            self._reset(one)
        self.orphans = []

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.tick.set()
        self.heal()
        self.cut()
        self.thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # --- forwarding ---

    def _take_all(self):
        with self.lock:
            pairs, self.pairs = self.pairs, []
        return pairs

    @staticmethod
    def _reset(sock):
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            sock.shutdown(socket.SHUT_RD)  # wakes the thread that reads
        with contextlib.suppress(OSError):
            sock.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                if self.refusing:
                    raise OSError("refused")
                if self.answer:
                    client.recv(1 << 16)
                    client.sendall(self.answer)
                    self.answer = None
                    client.shutdown(socket.SHUT_WR)
                    client.close()
                    continue
                server = socket.create_connection(("127.0.0.1", self.target_port), timeout=10)
                server.settimeout(None)
            except OSError:
                self._reset(client)
                continue
            for side in (client, server):
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pair = (client, server)
            with self.lock:
                self.pairs.append(pair)
            for ends in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(pair, *ends), daemon=True).start()

    def _pump(self, pair, source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                self.open.wait()
                if self.sign and source is pair[0] and self.sign in data:
                    self.sign = None
                    self._lose(pair, data)
                self._send(target, data)
            self.open.wait()
        # one side is gone: so is the other, unless it was made an orphan
        with self.lock:
            known = pair in self.pairs
            if known:
                self.pairs.remove(pair)
        if known:
            for side in pair:
                self._reset(side)

    def _lose(self, pair, data):
        """The server gets it and reads it; the client hears nothing any more."""
        with self.lock:
            self.pairs.remove(pair)
        client, server = pair
        self._reset(client)
        server.sendall(data)
        server.shutdown(socket.SHUT_WR)
        raise OSError("cut")

    def _send(self, target, data):
        view = memoryview(data)
        while view:
            piece = self.piece
            if not piece:
                target.sendall(view)
                return
            target.sendall(view[:piece])
            view = view[piece:]
            self.tick.wait(0.01)
