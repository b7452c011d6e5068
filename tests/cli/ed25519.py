"""Ed25519 signing after RFC 8032, section 5.1, in plain integers: slow, and independent of the program's library.

For tests only: it takes no care to hide the key from whoever watches the clock.
"""
import hashlib

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SECRET = bytes(range(32))


def _recover_x(y):
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P)
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    return P - x if x & 1 else x  # the base point has the even x


_BASE_Y = 4 * pow(5, P - 2, P) % P
BASE = (_recover_x(_BASE_Y), _BASE_Y)


def _add(a, b):
    (x1, y1), (x2, y2) = a, b
    product = D * x1 * x2 * y1 * y2 % P
    return ((x1 * y2 + x2 * y1) * pow(1 + product, P - 2, P) % P,
            (y1 * y2 + x1 * x2) * pow(1 - product, P - 2, P) % P)


def _multiply(point, factor):
    result = (0, 1)
    while factor:
        if factor & 1:
            result = _add(result, point)
        point, factor = _add(point, point), factor >> 1
    return result


def _encode(point):
    x, y = point
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _scalar(secret):
    digest = hashlib.sha512(secret).digest()
    scalar = int.from_bytes(digest[:32], "little") & ~7 & ~(1 << 255) | 1 << 254
    return scalar, digest[32:]


def public_key(secret):
    return _encode(_multiply(BASE, _scalar(secret)[0]))


def sign(secret, message):
    scalar, prefix = _scalar(secret)
    nonce = int.from_bytes(hashlib.sha512(prefix + message).digest(), "little") % ORDER
    commitment = _encode(_multiply(BASE, nonce))
    challenge = hashlib.sha512(commitment + public_key(secret) + message).digest()
    answer = (nonce + int.from_bytes(challenge, "little") % ORDER * scalar) % ORDER
    return commitment + answer.to_bytes(32, "little")
