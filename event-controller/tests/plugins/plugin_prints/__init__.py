# Writes to stdout in several ways, and reads stdin.
import os
import subprocess
import sys

print('printed while imported')


def handle_event(watcher, event, config):
    print('{"message": "printed", "level": "ERROR"}')
    sys.__stdout__.write('written\n')
    sys.__stdout__.flush()
    os.write(1, b'by the system call\n')
    subprocess.check_call(['sh', '-c', 'echo from a program; cat'])
    return 'said {0!r}\non two lines'.format(sys.stdin.read()), 'INFO'
