"""The Singer tap for Salesforce, run as its users run it: signed in by a refresh token, discovering, then reading by REST and by the first
Bulk API, and going on from its own bookmark. Only its login host and the pause between two looks at a job are ours."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
import urllib.parse
from pathlib import Path

import requests

HOST = os.environ["SALESFORCE"]
# The tap knows no other host to sign in at.
LAUNCHER = """
import requests, tap_salesforce
from tap_salesforce.salesforce import bulk
bulk.BATCH_STATUS_POLLING_SLEEP = 0.1
post = requests.Session.post
requests.Session.post = lambda self, url, **more: post(self, url.replace("https://login.salesforce.com", HOST), **more)
tap_salesforce.main()
"""
FORM = {"client_id": "tandem", "client_secret": "tandem-secret"}


def refresh_token():
    """The way through a browser: consent, a code that is good once, a refresh token."""
    asked = {"response_type": "code", "client_id": "tandem", "redirect_uri": "https://app.example/back", "state": "s"}
    consent = requests.get(HOST + "/services/oauth2/authorize", params=asked, allow_redirects=False)
    answer = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(consent.headers["Location"]).query))
    assert answer["state"] == "s", answer
    form = {**FORM, "grant_type": "authorization_code", "code": answer["code"], "redirect_uri": "https://app.example/back"}
    token = requests.post(HOST + "/services/oauth2/token", data=form).json()["refresh_token"]
    again = requests.post(HOST + "/services/oauth2/token", data=form)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant"), again.text
    return token


class Tap(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.token = refresh_token()

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def run_tap(self, way, *arguments):
        folder = Path(self.folder.name)
        config = {**FORM, "refresh_token": self.token, "start_date": "2020-01-01T00:00:00Z", "api_type": way}
        (folder / "config.json").write_text(json.dumps(config))
        launcher = f"HOST = {HOST!r}\n{LAUNCHER}"
        command = [sys.executable, "-c", launcher, "--config", folder / "config.json", *arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr[-3000:])
        return done.stdout

    def read(self, way, streams, state=None):
        """Records by stream, schemas by stream, the last state."""
        folder = Path(self.folder.name)
        catalog = json.loads(self.run_tap(way, "--discover"))
        catalog["streams"] = [stream for stream in catalog["streams"] if stream["stream"] in streams]
        self.assertEqual({stream["stream"] for stream in catalog["streams"]}, set(streams))
        for stream in catalog["streams"]:
            for entry in stream["metadata"]:
                whole = entry["breadcrumb"] == []
                entry["metadata"]["selected"] = True
                if whole and "valid-replication-keys" in entry["metadata"]:
                    entry["metadata"]["replication-method"] = "INCREMENTAL"
                    entry["metadata"]["replication-key"] = entry["metadata"]["valid-replication-keys"][0]
        (folder / "catalog.json").write_text(json.dumps(catalog))
        arguments = ["--properties", folder / "catalog.json"]
        if state:
            (folder / "state.json").write_text(json.dumps(state))
            arguments += ["--state", folder / "state.json"]
        records, last = {name: [] for name in streams}, None
        for line in self.run_tap(way, *arguments).splitlines():
            message = json.loads(line)
            if message["type"] == "RECORD":
                records[message["stream"]].append(message["record"])
            elif message["type"] == "STATE":
                last = message["value"]
        return records, last

    def test_rest_and_bulk_read_the_same(self):
        """Every record and every field, deleted ones too; types by describe. Tap's documentation."""
        streams = ["Account", "Opportunity", "Tandem_Invoice__c"]
        rest, state = self.read("REST", streams)
        bulk, _ = self.read("BULK", streams)
        self.assertEqual([len(rest[name]) for name in streams], [len(bulk[name]) for name in streams])
        self.assertGreater(len(rest["Opportunity"]), 50)
        by_id = lambda rows: {row["Id"]: row for row in rows}
        for name in streams:
            one, other = by_id(rest[name]), by_id(bulk[name])
            self.assertEqual(set(one), set(other))
            for record in one:
                differ = {field for field in one[record] if one[record][field] != other[record].get(field)}
                self.assertEqual(differ, set(), f"{name} {record}")
        # From its bookmark on it reads what changed since, and no more.
        changed = rest["Account"][3]["Id"]
        answer = requests.post(f"{HOST}/admin/update/Account/{changed}", json={"Phone": "555"})
        self.assertEqual(answer.status_code, 204)
        later, _ = self.read("BULK", ["Account"], state)
        newest = max(row["SystemModstamp"] for row in rest["Account"])
        self.assertIn(changed, [row["Id"] for row in later["Account"]])
        self.assertTrue(all(row["SystemModstamp"] >= newest for row in later["Account"]))

    def test_a_revoked_refresh_token_is_refused(self):
        """400 invalid_grant. Shared facts, Sign-in."""
        token = refresh_token()
        self.assertEqual(requests.post(HOST + "/services/oauth2/revoke", data={"token": token}).status_code, 200)
        form = {**FORM, "grant_type": "refresh_token", "refresh_token": token}
        refused = requests.post(HOST + "/services/oauth2/token", data=form)
        self.assertEqual((refused.status_code, refused.json()["error"]), (400, "invalid_grant"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
