# Uses what lies beside it: a package of its own, and a module of the package.
from Directory import Client

from .words import greeting


def handle_event(watcher, event, config):
    return greeting(Client(config['url']).look_up('web')), 'INFO'
