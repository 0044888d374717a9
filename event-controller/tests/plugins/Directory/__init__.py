class Client(object):
    def __init__(self, url):
        self.url = url

    def look_up(self, name):
        return '{0}{1}'.format(self.url, name)
