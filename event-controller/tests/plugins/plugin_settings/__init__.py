# Returns the value of the expression in spec.ask.
def handle_event(watcher, event, config):
    watcher.logger.debug('whispered')
    watcher.logger.info('said')
    watcher.log('shouted', 'CRITICAL')
    ask = event['object']['spec']['ask']
    return eval(ask, {'watcher': watcher, 'config': config})
