"""The gates of OpenQASM's ``stdgates.inc`` that Braket does not have by the same name, in terms of Braket's.

Phases are those of the OpenQASM 3 specification: ``u2`` and ``u3`` have determinant 1, ``u1`` is a phase gate.
"""

from __future__ import annotations

from functools import cache

from braketeer.quantum.programs import syntax as s
from braketeer.quantum.programs.parser import parse

_SOURCE = """
gate p(a) q { phaseshift(a) q; }
gate phase(a) q { phaseshift(a) q; }
gate u1(a) q { phaseshift(a) q; }
gate u2(a, b) q { gphase(-(a + b) / 2); U(pi / 2, a, b) q; }
gate u3(t, a, b) q { gphase(-(a + b) / 2); U(t, a, b) q; }
gate id q { i q; }
gate sdg q { si q; }
gate tdg q { ti q; }
gate sx q { v q; }
gate cx c, t { cnot c, t; }
gate CX c, t { cnot c, t; }
gate cp(a) c, t { cphaseshift(a) c, t; }
gate cphase(a) c, t { cphaseshift(a) c, t; }
gate crx(a) c, t { ctrl @ rx(a) c, t; }
gate cry(a) c, t { ctrl @ ry(a) c, t; }
gate crz(a) c, t { ctrl @ rz(a) c, t; }
gate ch c, t { ctrl @ h c, t; }
gate cu(t0, a, b, g) c, t { phaseshift(g) c; ctrl @ U(t0, a, b) c, t; }
gate ccx a, b, t { ccnot a, b, t; }
"""


@cache
def definitions() -> list[s.GateDefinition]:
    return [statement for statement in parse(_SOURCE) if isinstance(statement, s.GateDefinition)]
