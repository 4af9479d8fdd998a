"""Events of which it is known whether the broker took them for us.

Task n has four events, number 4n to 4n+3: sent, received, started, and how it ended.
They go out as workers send them, as lists: a block of tasks is three messages. Of each
message is known when it was published, and what the broker answered: on Redis, to how
many subscribers it was handed; on RabbitMQ, that it is in the queue.
"""

import array
import base64
import json
import socket
import threading
import time

import amqp

BLOCK = 25
PHASES = ((0,), (1, 2), (3,))
PER_MESSAGE = tuple(BLOCK * len(phase) for phase in PHASES)
PER_BLOCK = sum(PER_MESSAGE)
UNSENT, TAKEN, IGNORED, UNSURE = range(4)
WINDOW = 24  # messages under way, a multiple of the phases

NAMES = tuple(f"torture.task_{number}" for number in range(5))
QUEUES = tuple(f"torture_{number}" for number in range(3))
HOSTS = tuple(f"torture@host{number}" for number in range(4))
ENDS = {0: "task-failed", 1: "task-retried"}  # by the task's number modulo 20


def name_of(task):
    return NAMES[task % len(NAMES)]


def queue_of(task):
    return QUEUES[task % len(QUEUES)]


def host_of(task):
    return HOSTS[task % len(HOSTS)]


def type_of(number):
    types = ("task-sent", "task-received", "task-started")
    return types[number % 4] if number % 4 < 3 else ENDS.get(number // 4 % 20, "task-succeeded")


def numbers_of(message):
    """The events of a message."""
    block, phase = divmod(message, len(PHASES))
    return [task * 4 + step for task in range(block * BLOCK, (block + 1) * BLOCK)
            for step in PHASES[phase]]


class Publisher:
    """A thread that publishes rate events a second. Base of the two below.

    state, began, ended: of each message; at: the timestamp in its events.
    """

    def __init__(self, port, seed, rate, queue=None):
        self.port = port
        self.run = seed & 0xffffffff
        self.rate = rate
        self.state = bytearray()
        self.began = array.array("d")
        self.ended = array.array("d")
        self.at = array.array("d")
        self.times_are_corrected = False  # may be: the services' clock is another one
        self.error = None
        self.going = threading.Event()
        self.ending = threading.Event()
        self.idle = threading.Event()
        self.idle.set()
        self.thread = threading.Thread(target=self._main, daemon=True)
        self.thread.start()

    # --- for the test ---

    @property
    def events(self):
        """How many events were published."""
        return len(self.state) // 3 * PER_BLOCK

    def count(self, state):
        return sum(PER_MESSAGE[index % 3] for index, one in enumerate(self.state) if one == state)

    def resume(self):
        self.going.set()

    def pause(self, timeout=90):
        """Returns when all that was published is answered, or given up."""
        self.going.clear()
        if not self.idle.wait(timeout):
            raise TimeoutError("the publisher is not answered")
        if self.error:
            raise self.error

    def close(self):
        self.going.clear()
        self.ending.set()
        self.thread.join(30)

    def task_id(self, task):
        return f"{self.run:08x}-0000-4000-8000-{task:012x}"

    # --- events ---

    def event(self, number, at):
        task, step = divmod(number, 4)
        kind = type_of(number)
        one = {"type": kind, "uuid": self.task_id(task), "clock": number + 1, "utcoffset": 0,
               "timestamp": at + step * 1e-4, "pid": 100 + task % 7,
               "hostname": "gen1@client" if step == 0 else host_of(task)}
        if step < 2:
            one |= {"name": name_of(task), "args": f"({task},)", "kwargs": "{}", "retries": 0,
                    "eta": None, "expires": None, "root_id": one["uuid"], "parent_id": None}
        if step == 0:
            one |= {"queue": queue_of(task), "exchange": "", "routing_key": queue_of(task)}
        if kind == "task-succeeded":
            one |= {"result": str(task), "runtime": 0.001 * (1 + task % 1000)}
        elif step == 3:
            one |= {"exception": f"ValueError({task})", "traceback": "Traceback"}
        return one

    def body(self, message):
        at = self.at[message]
        return json.dumps([self.event(number, at) for number in numbers_of(message)]).encode()

    # --- the thread ---

    def _main(self):
        try:
            due = time.monotonic()
            while not self.ending.is_set():
                if not self.going.is_set():
                    self.idle.set()
                    self.going.wait(0.1)
                    due = time.monotonic()
                    continue
                self.idle.clear()
                first = len(self.state)
                now = time.time()
                for _ in range(WINDOW):
                    self.state.append(UNSENT)
                    for times in (self.began, self.ended):
                        times.append(now)
                    self.at.append(now)
                self.publish(range(first, first + WINDOW))
                due = max(due + WINDOW // 3 * PER_BLOCK / self.rate, time.monotonic() - 0.5)
                self.ending.wait(max(0, due - time.monotonic()))
        except Exception as error:  # for pause()
            self.error = error
        finally:
            self.disconnect()
            self.idle.set()

    def settle(self, message, state):
        self.ended[message] = time.time()
        self.state[message] = state

    def sleep(self):
        """Before trying again; False when it is time to end."""
        return not self.ending.wait(0.05)


class RedisPublisher(Publisher):
    """What was sent but not answered stays UNSURE: nobody publishes it again."""

    def __init__(self, port, seed, rate, database=0):
        self.channel = f"/{database}.celeryev/task.multi".encode()
        self.sock = None
        super().__init__(port, seed, rate)

    def disconnect(self):
        if self.sock:
            self.sock.close()
        self.sock = None

    def command(self, message):
        envelope = json.dumps({
            "body": base64.b64encode(self.body(message)).decode(), "content-encoding": "utf-8",
            "content-type": "application/json", "headers": {"hostname": host_of(message)},
            "properties": {"delivery_mode": 1, "body_encoding": "base64", "delivery_tag": str(message),
                           "delivery_info": {"exchange": "celeryev", "routing_key": "task.multi"},
                           "priority": 0}}).encode()
        return b"*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (
            len(self.channel), self.channel, len(envelope), envelope)

    def publish(self, messages):
        data = b"".join(map(self.command, messages))
        while self.sock is None:
            try:
                self.sock = socket.create_connection(("127.0.0.1", self.port), timeout=60)
            except OSError:
                if not self.sleep():
                    return
        left = list(messages)
        now = time.time()
        for message in left:
            self.began[message] = now
        try:
            self.sock.sendall(data)
            answers = b""
            while left:
                got = self.sock.recv(65536)
                if not got:
                    raise OSError("closed")
                *lines, answers = (answers + got).split(b"\r\n")
                for line in lines:
                    if line[:1] != b":":
                        raise OSError(line)
                    self.settle(left.pop(0), TAKEN if int(line[1:]) else IGNORED)
        except OSError:
            self.disconnect()
            for message in left:
                self.settle(message, UNSURE)


class RabbitPublisher(Publisher):
    """Publishes again what was not confirmed, as long as it takes."""

    def __init__(self, port, seed, rate, vhost="/", persistent=True):
        self.vhost = vhost
        self.mode = 2 if persistent else 1
        self.connection = self.channel = None
        self.tags = {}
        self.next_tag = 1
        super().__init__(port, seed, rate)

    def disconnect(self):
        connection, self.connection, self.channel = self.connection, None, None
        if connection:
            try:
                connection.collect()
            except (OSError, AttributeError):
                pass

    def _connect(self):
        self.connection = amqp.Connection(f"127.0.0.1:{self.port}", "guest", "guest",
                                          virtual_host=self.vhost, connect_timeout=10,
                                          read_timeout=60, write_timeout=60)
        self.connection.connect()
        self.channel = self.connection.channel()
        self.channel.confirm_select()
        self.channel.events["basic_ack"].add(self._acked)
        self.channel.exchange_declare("celeryev", "topic", durable=True, auto_delete=False)
        self.tags, self.next_tag = {}, 1

    def _acked(self, tag, multiple):
        for one in [one for one in self.tags if one <= tag] if multiple else [tag]:
            message = self.tags.pop(one, None)
            if message is not None:
                self.settle(message, TAKEN)

    def publish(self, messages):
        left = list(messages)
        while left and not self.ending.is_set():
            try:
                if self.connection is None:
                    self._connect()
                for message in left:
                    self.tags[self.next_tag] = message
                    self.next_tag += 1
                    self.channel.basic_publish(
                        amqp.Message(self.body(message), content_type="application/json",
                                     content_encoding="utf-8", delivery_mode=self.mode),
                        exchange="celeryev", routing_key="task.multi")
                while self.tags:
                    self.connection.drain_events(timeout=60)
            except (OSError, amqp.AMQPError):
                self.disconnect()
                self.tags = {}
                if not self.sleep():
                    return
            left = [message for message in left if self.state[message] != TAKEN]
