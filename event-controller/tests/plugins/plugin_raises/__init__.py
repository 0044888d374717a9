# Fails for some objects, in several ways.
import sys
import threading


def handle_event(watcher, event, config):
    name = event['object']['metadata']['name']
    print('handling ' + name)
    if name == 'raises':
        raise KeyError('host')
    if name == 'exits':
        sys.exit(0)
    if name == 'threads':
        threading.Thread(target=threading.Event().wait).start()
        raise KeyError('host')
    return name + ' is handled', 'INFO'
