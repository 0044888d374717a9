# The plugin in the original's guide.
def handle_event(watcher, event, config):
    message = "Kind: {0}; Name: {1}".format(event['object']['kind'], event['object']['metadata']['name'])
    return message, config.get('message_log_level', 'INFO')
