"""Python's own client: after each refusal a request that must get its own answer. Arguments: port, login."""
import http.client
import sys

port, login = int(sys.argv[1]), sys.argv[2]
form = {"Content-Type": "application/x-www-form-urlencoded"}


def chunks():
    for _ in range(300):
        yield b"x" * 10_000


# name, method, path, body, headers, status
REFUSALS = [
    ("no login, no body", "DELETE", "/v1/nodes/1", None, {}, 401),
    ("no login, small body", "PUT", "/v1/nodes/1", b"state=hold", form, 401),
    ("no login, 3 MB", "PUT", "/v1/nodes/1", b"x" * 3_000_000, form, 401),
    ("no login, 3 MB in chunks", "PUT", "/v1/nodes/1", chunks, form, 401),
    ("too large", "PUT", "/v1/nodes/1", b"x" * 3_000_000, {**form, "Authorization": login}, 413),
    ("no such path, 3 MB", "POST", "/v1/nope", b"x" * 3_000_000, form, 404),
    ("no such method, 3 MB", "POST", "/v1/nodes", b"x" * 3_000_000, form, 405),
    ("unknown type", "PUT", "/v1/nodes/1", b"x", {"Content-Type": "a/b", "Authorization": login}, 415),
    ("expectation", "PUT", "/v1/nodes/1", b"state=hold", {**form, "Expect": "100-continue"}, 401),
    ("too many fields", "GET", "/v1/nodes", None, {f"X-{i}": "a" for i in range(101)}, 431),
    ("a body of a GET", "GET", "/v1/nodes?limit=1", b"x" * 100_000, {}, 200),
]

for name, method, path, body, headers, status in REFUSALS:
    for round in range(5):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            connection.request(method, path, body() if callable(body) else body, headers)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it is not read to its end; the answer is there all the same
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status == status, (name, answer.status, text)
        own = f"py-{round}"
        connection.request("GET", "/v1/nodes?limit=1", headers={"X-Request-Id": own})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200, (name, answer.status)
        assert answer.getheader("X-Request-Id") == own, (name, answer.getheader("X-Request-Id"))
        connection.close()
    print("ok", name)
