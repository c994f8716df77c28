import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "startup.py"


def test_a_second_process_compiles_no_kernel_anew():
    """Best path, lattice, its words and a stream with confidences; the script's first process may fill the cache."""
    command = [sys.executable, str(SCRIPT), "--repeats", "1", "--json"]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert told["compiled_anew"] == []
    assert set(told["seconds"]) == {"python", "imports", "graph", "first frame", "lattice", "words", "stream"}
