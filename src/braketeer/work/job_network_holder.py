"""Makes the listening socket of a job's own network: ``unshare --net -- python job_network_holder.py FD ADDRESS PORT``.

A process of its own, as a socket belongs for life to the network that its maker was in. It hands the socket out over
the descriptor it was given, waits until that was seen, and ends. It imports next to nothing: every job waits for it.
"""

import array
import fcntl
import socket
import struct
import sys

_UP_AND_RUNNING = 1 | 64  # IFF_UP | IFF_RUNNING
_SET_FLAGS = 0x8914  # SIOCSIFFLAGS


def main(channel: socket.socket, address: str, port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sh14x", b"lo", _UP_AND_RUNNING))
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, port), family=family, backlog=128) as listener:
        rights = array.array("i", [listener.fileno()])
        channel.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        channel.recv(4)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])), sys.argv[2], int(sys.argv[3]))
