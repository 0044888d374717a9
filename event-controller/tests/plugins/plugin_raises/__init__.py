# Fails for some objects, one way or another.
import sys
import threading


def handle_event(watcher, event, config):
    name = event['object']['metadata']['name']
    print('looking at ' + name)
    if name == 'raises':
        raise KeyError('host')
    if name == 'exits':
        sys.exit(0)
    if name == 'threads':
        threading.Thread(target=threading.Event().wait).start()
        raise KeyError('host')
    return name + ' is fine', 'INFO'
