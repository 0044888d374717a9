# Imports a package beside it, and a module of its own package.
from Directory import Client

from .words import greeting


def handle_event(watcher, event, config):
    return greeting(Client(config['url']).look_up('web')), 'INFO'
