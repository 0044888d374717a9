#!/usr/bin/env python3
"""A plugin for `demo-controller watch` that keeps DNS records for Routes, Ingresses and Services, by way of nsupdate.

    [global]
    k8s_resource = routes.route.openshift.io
    watcher_plugin = exec

    [plugin_exec]
    command = python3 examples/plugins/nsupdate.py
    zone = apps.example.com
    target = 192.0.2.10

So far it only writes into the log what it would tell nsupdate. More settings ([the original plugin_dns's name]):

    nsupdate = yes                      run it; or the command, if it is another: /opt/bind/bin/nsupdate -v
    state = /var/lib/dns/state          a file to remember in who wants which name; `nsupdate` and `out` need it
    key_file = /etc/dns/apps.key        given to it with -k [dns_key_file]
    server = 192.0.2.53                 the name server; without it nsupdate asks the DNS [dns_server]
    nsupdate_timeout = 5                seconds; keep it below exec's own `timeout` (10s)
    out = /var/lib/dns/updates          append the commands to this file, with or without nsupdate
    target = 192.0.2.10, 2001:db8::10   addresses (16 at most), or a host name (CNAME) [application_router_ip]; without
                                        it the object's own: the load balancer's in its status, the router's host name
    ttl = 300
    reserved = www, ns1                 names in the zone that no object may have

Where the host names come from: spec.host (Route), spec.rules[].host (Ingress), and for a Service of type LoadBalancer
the annotation external-dns.alpha.kubernetes.io/hostname. Python 3.6 or later, nothing but the standard library.

The promises (tests/plugins/nsupdate.rs holds them):

* Tenants write these objects. Nothing but a host name *below* the zone gets into a command; all else is refused with a
  warning. Even so they can overwrite each name in the zone that is not reserved: give them a zone of its own.
* The record is what the object wants now: a host name that is gone from the object is deleted, and so is one whose
  object is deleted.
* A name that several objects want belongs to the oldest, as with OpenShift's router, and passes on to the next.
* An update that fails ends this process, and so the event is retried. All of it may be repeated: it says what shall be,
  not what to change.

An event tells what is, not what was, and of one object only; so who wants which name is remembered, in the file that
`state` names. In memory alone it would be gone after a restart (any failed update is one), and a name would belong to
whoever comes next. Keep the file as long as the records, and let no two controllers share it.

Pitfall: of an object that is deleted while the controller is away, nobody tells. Its records stay, and so does its
claim: all others are refused, as in `web.apps.example.com belongs to shop/gone, which is older`. Then stop the
controller, delete the lines that begin with `["shop/gone"` from the file, and start it again. A record that nobody else
wants is yours to delete.
"""

import ipaddress
import json
import os
import re
import shlex
import subprocess
import sys

HOST_NAME_ANNOTATION = 'external-dns.alpha.kubernetes.io/hostname'
LABEL = re.compile('[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?')
MOST_NAMES = 100
# A message has 64 KiB, and a tenant must not make an update fail: each would end this process. Beyond the first 16 KiB
# names are not compressed, so with the longest one (255) and 16 AAAA this is 10 * (3 * 265 + 16 * 281) = 52910 bytes.
NAMES_IN_A_MESSAGE = 10
MOST_ADDRESSES = 16


class Refused(Exception):
    pass


def die(text):
    """No answer: the event is to be retried."""
    sys.exit('nsupdate.py: ' + text)


def host_name(text):
    """The text as a host name: lower case, no dot at the end. Nothing of it means anything to nsupdate."""
    name = text[:-1] if text.endswith('.') else text
    # Before lower(), which turns some letters that are not ASCII into ones that are.
    labels = name.lower().split('.')
    if len(name) > 253 or not all(ord(c) < 128 for c in name) or not all(map(LABEL.fullmatch, labels)):
        raise Refused('{0} is no host name'.format(quoted(text)))
    return '.'.join(labels)


def quoted(text):
    return json.dumps(text if len(text) <= 100 else text[:100] + '…')


def few(texts):
    """An answer has to be shorter than 64 KiB."""
    return texts[:5] + (['… and {0} more'.format(len(texts) - 5)] if len(texts) > 5 else [])


class Settings:
    def __init__(self, config):
        def get(key, old=None, default=None):
            return config.get(key) or config.get(old) or default

        try:
            self.zone = host_name(get('zone') or die('zone is missing in [plugin_exec], the part common to all names'))
            self.reserved = {host_name(name + '.' + self.zone) for name in words(get('reserved'))}
            self.targets = records(words(get('target', 'application_router_ip')))
        except Refused as e:
            die('in [plugin_exec]: {0}'.format(e))
        self.server = get('server', 'dns_server')
        if self.server and not re.fullmatch('[A-Za-z0-9.:-]+( [0-9]+)?', self.server):
            die('server={0}: use a host name or an address, and a port if it is not 53'.format(quoted(self.server)))
        self.ttl = self.number('ttl', get('ttl', default='300'))
        self.timeout = self.number('nsupdate_timeout', get('nsupdate_timeout', default='5'))
        self.out, self.state = get('out'), get('state')
        self.command = None
        nsupdate, key_file = get('nsupdate', default='no'), get('key_file', 'dns_key_file')
        if nsupdate.lower() not in ('no', 'false'):
            try:
                self.command = ['nsupdate'] if nsupdate.lower() in ('yes', 'true') else shlex.split(nsupdate)
            except ValueError as e:
                die('nsupdate={0}: use yes, no or a command, quoted as for a shell ({1})'.format(quoted(nsupdate), e))
            self.command += ['-k', key_file] if key_file else []
        if (self.command or self.out) and not self.state:
            die('state is missing in [plugin_exec], a file to remember in who wants which name')

    @staticmethod
    def number(key, text):
        if not re.fullmatch('[0-9]{1,9}', text) or int(text) == 0:
            die('{0}={1}: use seconds, as a whole number from 1'.format(key, text))
        return int(text)


def words(text):
    return [word for word in re.split('[, ]+', text or '') if word]


def records(targets):
    """What a name is to have: all addresses, else the first host name. A CNAME stands alone."""
    addresses, names = [], []
    for target in targets:
        try:
            # Pitfall: Python takes whatever follows a % for the zone of an IPv6 address, line ends as well.
            address = ipaddress.ip_address(target if '%' not in target else '')
            addresses.append(['A' if address.version == 4 else 'AAAA', str(address)])
        except ValueError:
            names.append(['CNAME', host_name(target) + '.'])
    return addresses[:MOST_ADDRESSES] or names[:1]


def part(value, *path):
    """value[path[0]][path[1]]…, or None: an object may have any shape."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def parts(value, path, key):
    """The strings at `key` in the list at `path`."""
    items = part(value, *path)
    found = [part(item, key) for item in items] if isinstance(items, list) else []
    return [text for text in found if isinstance(text, str) and text]


def hosts(thing):
    """The host names that an object asks for, as they stand there."""
    if part(thing, 'kind') == 'Service':
        wanted = part(thing, 'metadata', 'annotations', HOST_NAME_ANNOTATION)
        load_balancer = part(thing, 'spec', 'type') == 'LoadBalancer'
        return words(wanted) if load_balancer and isinstance(wanted, str) else []
    return parts({'all': [part(thing, 'spec')]}, ['all'], 'host') + parts(thing, ['spec', 'rules'], 'host')


def own_targets(thing):
    balancers = ['status', 'loadBalancer', 'ingress']
    return (parts(thing, balancers, 'ip') + parts(thing, balancers, 'hostname')
            + parts(thing, ['status', 'ingress'], 'routerCanonicalHostname'))


class Names:
    """Who wants which name, and what it shall have."""

    def __init__(self, settings):
        self.settings = settings
        # namespace/name -> {'since', 'names', 'records'}. Not by UID: an object that was deleted and created again
        # while nobody looked takes its own place.
        self.claims = {}
        # name -> the keys that want it.
        self.wanting = {}
        # The file `state`, and how many lines it has.
        self.journal, self.lines = None, 0
        if settings.state:
            self.remember()

    def remember(self):
        """Reads the journal, one claim a line, of which the last holds."""
        path = self.settings.state
        try:
            if os.path.exists(path):
                with open(path) as f:
                    for line in f:
                        if line.endswith('\n'):  # Else the process died while writing it, and before it answered.
                            self.claim(*json.loads(line))
            self.compact()
        except (OSError, ValueError) as e:
            die('state={0}: {1}'.format(path, e))

    def note(self, key, claim):
        try:
            print(json.dumps([key, claim]), file=self.journal, flush=True)
            self.lines += 1
            # Else a tenant who changes a host name to and fro fills the disk.
            if self.lines > 2 * len(self.claims) + 1000:
                self.compact()
        except OSError as e:
            die('state={0}: {1}'.format(self.settings.state, e))

    def compact(self):
        """Writes the journal anew, without the lines that no longer hold."""
        path = self.settings.state
        with open(path + '.new', 'w') as f:
            f.writelines(json.dumps(entry) + '\n' for entry in self.claims.items())
        os.replace(path + '.new', path)
        self.journal, self.lines = open(path, 'a'), len(self.claims)

    def claim(self, key, claim):
        for name in self.claims.pop(key, {}).get('names', []):
            self.wanting[name].discard(key)
            if not self.wanting[name]:
                del self.wanting[name]
        if claim:
            self.claims[key] = claim
            for name in claim['names']:
                self.wanting.setdefault(name, set()).add(key)

    def owner(self, name):
        """Whose records the name has: the oldest's that has any."""
        having = [key for key in self.wanting.get(name, ()) if self.claims[key]['records']]
        return min(having, key=lambda key: (self.claims[key]['since'], key)) if having else None

    def records(self, name):
        owner = self.owner(name)
        return self.claims[owner]['records'] if owner else []

    def allowed(self, thing):
        """The names of the object that it may have, and what is wrong with the others."""
        names, refused = [], []
        for text in hosts(thing):
            try:
                name = host_name(text)
                if not name.endswith('.' + self.settings.zone):
                    raise Refused('{0} is not below {1}'.format(name, self.settings.zone))
                if name in self.settings.reserved:
                    raise Refused('{0} is reserved'.format(name))
                if len(names) == MOST_NAMES:
                    raise Refused('{0} is one more than {1}'.format(name, MOST_NAMES))
                if name not in names:
                    names.append(name)
            except Refused as e:
                refused.append(str(e))
        return names, refused

    def handle(self, event):
        thing, meta = event['object'], event['object']['metadata']
        key = '/'.join(filter(None, (meta.get('namespace'), meta['name'])))
        names, refused = self.allowed(thing)
        known = self.claims.get(key)
        touched = names + [name for name in known['names'] if name not in names] if known else names
        before = {name: self.records(name) for name in touched}

        claim = None
        if event['type'] != 'DELETED':
            claim = {'since': meta.get('creationTimestamp') or '', 'names': names, 'records': self.settings.targets}
            try:
                claim['records'] = claim['records'] or records(own_targets(thing))
            except Refused as e:
                refused.append(str(e))
        self.claim(key, claim)

        after = {name: self.records(name) for name in touched}
        # ADDED, and whatever we do not know: the DNS may hold anything.
        repair = event['type'] == 'ADDED' or not known
        changed = [name for name in touched if repair or before[name] != after[name]]
        if changed:
            self.update([(name, after[name]) for name in changed])
        if self.journal and claim != known:
            # After the update: one that failed comes again, and has to find what was before.
            self.note(key, claim)
        for name in names if claim else []:
            if after[name] != claim['records'] and self.owner(name):
                refused.append('{0} belongs to {1}, which is older'.format(name, self.owner(name)))

        done = ['{0} {1}'.format(name, ' '.join(map(' '.join, after[name])) or 'removed') for name in changed]
        what = '{0} {1} {2}: '.format(event['type'], thing.get('kind'), key)
        if refused and claim:
            return what + '; '.join(few(done) + few(['refused: ' + why for why in refused])), 'WARN'
        return what + ('; '.join(few(done)) or 'nothing to do'), 'INFO' if done else 'DEBUG'

    def update(self, changes):
        lines = ['server ' + self.settings.server] if self.settings.server else []
        lines.append('zone {0}.'.format(self.settings.zone))
        for i, (name, wanted) in enumerate(changes):
            if i and i % NAMES_IN_A_MESSAGE == 0:
                lines.append('send')
            lines += ['update delete {0}. {1}'.format(name, rtype) for rtype in ('A', 'AAAA', 'CNAME')]
            lines += ['update add {0}. {1} {2} {3}'.format(name, self.settings.ttl, *record) for record in wanted]
        # All between two `send` takes effect at once, or not at all. After one that fails nsupdate goes on with the
        # next; its exit code tells.
        text = '\n'.join(lines + ['send', ''])
        if self.settings.command:
            self.run(text)
        if self.settings.out:
            try:
                with open(self.settings.out, 'a') as f:
                    f.write(text)
            except OSError as e:
                die('out: {0}'.format(e))
        if not self.settings.command and not self.settings.out:
            sys.stderr.write(text)
            sys.stderr.flush()

    def run(self, text):
        try:
            status = subprocess.run(self.settings.command, input=text.encode(), stdout=sys.stderr,
                                    timeout=self.settings.timeout).returncode
        except (OSError, subprocess.TimeoutExpired) as e:
            die('nsupdate: {0}'.format(e))
        if status != 0:
            told = text[:1000].strip().replace('\n', '; ')
            die('nsupdate ended with {0}; what it was told: {1}'.format(status, told))


def main():
    names = None
    for line in sys.stdin.buffer:
        request = json.loads(line.decode('utf-8'))
        names = names or Names(Settings(request['config']))
        message, level = names.handle(request['event'])
        print(json.dumps({'message': message, 'level': level}), flush=True)


if __name__ == '__main__':
    main()
