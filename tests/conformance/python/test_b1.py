"""Clients of the Service Layer and of OData written by others, and plain HTTP, against the simulator. Each test names the
fact and its source: [M] the Service Layer manual, [F] field reports, as the shared facts mark them."""

import json
import os
import unittest

import pyodata
import requests
from b1sl.b1sl import B1Client, B1Config
from b1sl.b1sl import entities as en
from b1sl.b1sl.exceptions.exceptions import B1NotFoundError, B1SqlNotAllowedError, B1SqlParamError, B1SqlSyntaxError, SAPConcurrencyError
from b1sl.b1sl.fields import BusinessPartner, Item
from odata import ODataService

HOST = os.environ["B1"]
LOGIN = {"CompanyDB": "SBODEMO", "UserName": "tandem", "Password": "tandem"}


def plain(version="v2"):
    """A session with cookies, as curl would hold it."""
    session = requests.Session()
    session.root = f"{HOST}/b1s/{version}"
    answer = session.post(session.root + "/Login", json=LOGIN)
    assert answer.status_code == 200, answer.text
    return session


class ServiceLayerClient(unittest.TestCase):
    """b1sl-python, made for the real Service Layer."""

    @classmethod
    def setUpClass(cls):
        cls.b1 = B1Client(B1Config(base_url=HOST + "/b1s/v2", username="tandem", password="tandem", company_db="SBODEMO"))
        cls.b1.connect()

    @classmethod
    def tearDownClass(cls):
        cls.b1.close()

    def test_reads_filters_and_pages(self):
        """$filter, $select, $orderby, $top; 20 rows a page and nextLink until the end. [M]"""
        partner = self.b1.business_partners.get("C00001")
        self.assertEqual(partner.card_code, "C00001")
        self.assertTrue(partner.bp_addresses)
        page = self.b1.items.filter(Item.item_code.startswith("A000")).top(5).execute()
        self.assertEqual(len(page), 5)
        every = [item.item_code for item in self.b1.items.stream()]
        self.assertEqual((len(every), len(set(every))), (300, 300))
        self.assertEqual(self.b1.items.count(), 300)

    def test_creates_changes_and_deletes(self):
        """POST 201 with the entity, PATCH merges, DELETE 204, then 404 code -2028. [M]"""
        made = self.b1.business_partners.create(en.BusinessPartner(card_code="CB1SL", card_name="Made by a client", card_type="cCustomer"))
        self.assertEqual(made.card_code, "CB1SL")
        self.b1.business_partners.update("CB1SL", en.BusinessPartner(phone1="123"))
        changed = self.b1.business_partners.get("CB1SL")
        self.assertEqual((changed.phone1, changed.card_name), ("123", "Made by a client"))
        self.b1.business_partners.delete("CB1SL")
        with self.assertRaises(B1NotFoundError):
            self.b1.business_partners.get("CB1SL")

    def test_etag_conflict(self):
        """A stale If-Match is 412 with -2039. [M]"""
        self.b1.business_partners.get("C00002")
        other = plain()
        self.assertEqual(other.patch(other.root + "/BusinessPartners('C00002')", json={"Phone2": "9"}).status_code, 204)
        with self.assertRaises(SAPConcurrencyError):
            self.b1.business_partners.update("C00002", en.BusinessPartner(phone2="1"))

    def test_batch_and_change_set(self):
        """A change set is all or nothing. [M]"""
        with self.b1.batch() as batch:
            batch.items.top(1).execute()
            with batch.changeset() as changes:
                changes.business_partners.create(en.BusinessPartner(card_code="CSET1", card_name="One"))
                changes.business_partners.create(en.BusinessPartner(card_code="C00001", card_name="There already"))
            results = batch.execute()
        self.assertFalse(results.all_ok)
        with self.assertRaises(B1NotFoundError):
            self.b1.business_partners.get("CSET1")

    def test_user_fields_are_described(self):
        """UserFieldsMD tells name, type and valid values; a value off the list is -10. [M][F]"""
        session = plain()
        field = {"TableName": "OCRD", "Name": "Grade", "Type": "db_Alpha", "Size": 1, "Description": "Grade",
                 "ValidValuesMD": [{"Value": "A", "Description": "best"}, {"Value": "B", "Description": "good"}]}
        self.assertEqual(session.post(session.root + "/UserFieldsMD", json=field).status_code, 201)
        self.assertIn("U_Grade", self.b1.business_partners.get_udf_schema())
        self.b1.business_partners.update("C00003", en.BusinessPartner(udfs={"U_Grade": "A"}))
        self.assertEqual(self.b1.business_partners.get("C00003").udfs["U_Grade"], "A")
        refused = session.patch(session.root + "/BusinessPartners('C00003')", json={"U_Grade": "Z"})
        self.assertEqual((refused.status_code, refused.json()["error"]["code"]), (400, "-10"))

    def test_sql_queries(self):
        """Stored SELECTs over an allow list, with parameters and pages. [M]"""
        queries = self.b1.sql_queries
        queries.create(en.SQLQuery(sql_code="stock", sql_name="stock", sql_text='SELECT "ItemCode", "OnHand" FROM "OITM" WHERE "OnHand" >= :least ORDER BY "ItemCode"'))
        first = queries.run("stock", least=0)
        self.assertEqual((len(first.rows), first.has_more), (20, True))
        self.assertEqual(len(list(queries.run_stream("stock", least=0))), 300)
        with self.assertRaises(B1SqlParamError):
            queries.run("stock", wrong=1)
        for text, error in [("SELECT \"USER_CODE\" FROM \"OUSR\"", B1SqlNotAllowedError), ("SELECT * FROM \"OITM\"", B1SqlSyntaxError), ("DELETE FROM \"OITM\"", B1SqlSyntaxError)]:
            with self.assertRaises(error, msg=text):
                queries.create(en.SQLQuery(sql_code="x", sql_name="x", sql_text=text))

    def test_crossjoin(self):
        """$crossjoin of header and lines with $expand and $filter. [M]"""
        rows = (
            self.b1.crossjoin("Orders", "Orders/DocumentLines")
            .expand({"Orders": ["DocEntry", "CardCode"], "Orders/DocumentLines": ["ItemCode"]})
            .filter("Orders/DocEntry eq Orders/DocumentLines/DocEntry and Orders/DocEntry eq 1")
            .execute()
        )
        self.assertTrue(rows)
        self.assertEqual({row["Orders"]["DocEntry"] for row in rows}, {1})

    def test_session_is_renewed(self):
        """401 code 301 after the session has gone; the client logs in again. [M]"""
        requests.put(HOST + "/admin/faults", json=[{"path": "/Items", "kind": "expire", "times": 1}])
        self.assertEqual(self.b1.items.get("A00001").item_code, "A00001")


class ODataClients(unittest.TestCase):
    """Generic OData clients, steered by $metadata alone."""

    def test_odata_4(self):
        """python-odata reads the metadata of v2 and queries by it. OData 4.0."""
        service = ODataService(HOST + "/b1s/v2/", session=plain(), reflect_entities=True, quiet_progress=True)
        partner = service.entities["BusinessPartners"]
        found = service.query(partner).filter(partner.CardCode == "C00001").first()
        self.assertTrue(found.CardName)
        self.assertEqual(len(list(service.query(partner))), 60)
        last = list(service.query(partner).order_by(partner.CardCode.desc()).limit(3))
        self.assertEqual([one.CardCode for one in last], ["C00060", "C00059", "C00058"])
        self.assertIn("Orders", service.entities)

    def test_odata_3_metadata(self):
        """pyodata reads the metadata of v1. OData 3.0; its own protocol version is 2, so it reads no more than that."""
        names = {"edmx": "http://schemas.microsoft.com/ado/2007/06/edmx", "edm": "http://schemas.microsoft.com/ado/2009/11/edm"}
        config = pyodata.v2.model.Config(xml_namespaces=names, default_error_policy=pyodata.v2.model.PolicyIgnore())
        client = pyodata.Client(HOST + "/b1s/v1", plain("v1"), config=config)
        sets = {one.name for one in client.schema.entity_sets}
        self.assertLessEqual({"BusinessPartners", "Orders", "Items", "IncomingPayments"}, sets)
        kinds = {prop.name: prop.typ.name for prop in client.schema.entity_type("BusinessPartner").proprties()}
        self.assertEqual((kinds["CardCode"], kinds["CreditLimit"]), ("Edm.String", "Edm.Double"))


class Wire(unittest.TestCase):
    """The protocol as curl sees it."""

    @classmethod
    def setUpClass(cls):
        cls.v2, cls.v1 = plain(), plain("v1")

    def get(self, path, session=None, **headers):
        session = session or self.v2
        return session.get(session.root + path, headers=headers)

    def post(self, path, body, **headers):
        return self.v2.post(self.v2.root + path, json=body, headers=headers)

    def order(self, **more):
        body = {"CardCode": "C00001", "DocDueDate": "2027-01-31", "DocumentLines": [{"ItemCode": "A00001", "Quantity": 2, "UnitPrice": 10}, {"ItemCode": "A00002", "Quantity": 1, "UnitPrice": 5}]}
        body.update(more)
        return body

    def refused(self, answer, status, code):
        self.assertEqual(answer.status_code, status, answer.text)
        self.assertEqual(answer.json()["error"]["code"], code, answer.text)

    def test_login(self):
        """B1SESSION and ROUTEID cookies, SessionId, Version, SessionTimeout in minutes; a wrong password is 401. [M]"""
        answer = requests.post(HOST + "/b1s/v2/Login", json=LOGIN)
        self.assertEqual(answer.json()["SessionTimeout"], 30)
        self.assertEqual({cookie.name for cookie in answer.cookies}, {"B1SESSION", "ROUTEID"})
        self.assertEqual(requests.post(HOST + "/b1s/v2/Login", json={**LOGIN, "Password": "x"}).status_code, 401)

    def test_errors_by_version(self):
        """v1: a number and an object; v2: texts and details. [M]"""
        one, two = self.get("/Orders(999999)", self.v1).json()["error"], self.get("/Orders(999999)").json()["error"]
        self.assertEqual(one, {"code": -2028, "message": {"lang": "en-us", "value": "No matching records found (ODBC -2028)"}})
        self.assertEqual((two["code"], two["message"]), ("-2028", "No matching records found (ODBC -2028)"))
        self.assertIn("details", two)

    def test_every_row_of_the_error_table(self):
        """The shared facts' table of codes, row by row."""
        self.refused(requests.get(HOST + "/b1s/v2/Orders"), 401, "301")
        self.refused(self.get("/Orders(999999)"), 404, "-2028")
        self.refused(self.post("/Orders", self.order(CardCode="NOBODY")), 400, "-2028")
        self.refused(self.post("/BusinessPartners", {"CardCode": "C00001", "CardName": "x"}), 400, "-2035")
        self.refused(self.v2.patch(self.v2.root + "/BusinessPartners('C00005')", json={"Phone1": "1"}, headers={"If-Match": 'W/"0"'}), 412, "-2039")
        self.refused(self.post("/Orders", self.order(Nonsense=1)), 400, "-1000")
        self.refused(self.post("/Orders", self.order(DocumentLines=[])), 400, "-5002")
        self.refused(self.post("/Orders", self.order(DocDueDate=None)), 400, "-5002")
        self.refused(self.post("/Orders", self.order(DocumentLines=[{"ItemCode": "A00059", "Quantity": 1}])), 400, "-5002")
        for kind, status, code in [("server-error", 500, "-1"), ("lock", 400, "-1")]:
            requests.put(HOST + "/admin/faults", json=[{"path": "/Orders", "kind": kind, "times": 1}])
            self.refused(self.get("/Orders(1)"), status, code)
        for kind, status in [("html-before", 502), ("throttle", 503)]:
            requests.put(HOST + "/admin/faults", json=[{"path": "/Orders", "kind": kind, "times": 1}])
            answer = self.get("/Orders(1)")
            self.assertEqual(answer.status_code, status)
            self.assertIn("text/html", answer.headers["Content-Type"])
        requests.put(HOST + "/admin/settings", json={"closed_before": "2026-01-01"})
        self.refused(self.post("/Orders", self.order(DocDate="2025-12-31")), 400, "-5002")
        requests.put(HOST + "/admin/settings", json={})

    def test_reading(self):
        """nextLink by version, Preference-Applied, maxpagesize 0, $count, $inlinecount, single properties, $value. [M]"""
        page = self.get("/Items?$select=ItemCode").json()
        self.assertEqual((len(page["value"]), page["@odata.nextLink"]), (20, "Items?$select=ItemCode&$skip=20"))
        old = self.get("/Items?$select=ItemCode&$inlinecount=allpages", self.v1).json()
        self.assertEqual((old["odata.nextLink"].split("?")[0], old["odata.count"]), ("/b1s/v1/Items", "300"))
        whole = self.get("/Items?$select=ItemCode&$count=true", Prefer="odata.maxpagesize=0")
        self.assertEqual((len(whole.json()["value"]), whole.json()["@odata.count"]), (300, 300))
        self.assertEqual(whole.headers["Preference-Applied"], "odata.maxpagesize=0")
        self.assertEqual(self.get("/Items/$count").text, "300")
        self.assertEqual(self.get("/BusinessPartners('C00001')/CardName").json()["value"], self.get("/BusinessPartners('C00001')/CardName/$value").text)
        self.assertEqual(self.get("/Orders(1)?$select=DocDate").json()["DocDate"][10:], "T00:00:00Z")
        self.assertEqual(len(self.get("/Orders(1)?$select=DocDate", self.v1).json()["DocDate"]), 10)

    def test_navigation_and_expand(self):
        """Orders(1)/BusinessPartner, and the same by $expand. [M]"""
        partner = self.get("/Orders(1)/BusinessPartner?$select=CardCode,CardName").json()
        order = self.get("/Orders(1)?$select=DocEntry,CardCode&$expand=BusinessPartner($select=CardName)").json()
        self.assertEqual(order["BusinessPartner"], {"CardName": partner["CardName"]})
        self.assertEqual(partner["CardCode"], order["CardCode"])
        self.assertTrue(self.get(f"/BusinessPartners('{order['CardCode']}')/Orders").json()["value"])

    def test_service_document(self):
        """The root lists the entity sets. OData 4.0 JSON Format, 5"""
        names = [entry["name"] for entry in self.get("/").json()["value"]]
        self.assertIn("Orders", names)

    def test_query_service(self):
        """The row level filter: a $crossjoin by POST, spaces after commas allowed; an unknown property is refused. [M]"""
        query = {"QueryPath": "$crossjoin(Orders,Orders/DocumentLines)", "QueryOption": "$expand=Orders($select=DocEntry, DocNum),Orders/DocumentLines($select=ItemCode,LineNum)&$filter=Orders/DocEntry eq Orders/DocumentLines/DocEntry and Orders/DocEntry eq 3 and Orders/DocumentLines/LineNum eq 0"}
        rows = self.post("/QueryService_PostQuery", query).json()["value"]
        self.assertEqual(len(rows), 1)
        self.assertEqual(rows[0]["Orders"], {"DocEntry": 3, "DocNum": self.get("/Orders(3)").json()["DocNum"]})
        query["QueryOption"] = query["QueryOption"].replace("DocNum", "Nonsense")
        self.refused(self.post("/QueryService_PostQuery", query), 400, "-1000")

    def test_apply(self):
        """$apply with filter, groupby and aggregate. [M]"""
        rows = self.get("/Orders?$apply=groupby((CardCode),aggregate(DocTotal with sum as Total,$count as N))").json()["value"]
        self.assertEqual(sum(row["N"] for row in rows), int(self.get("/Orders/$count").text))

    def test_filter_grammar(self):
        """Precedence, not, functions of both versions, arithmetic, doubled quotes. OData 4.0 Part 2, [M]"""
        def count(expression, session=None):
            answer = (session or self.v2).get((session or self.v2).root + "/BusinessPartners/$count", params={"$filter": expression})
            self.assertEqual(answer.status_code, 200, answer.text)
            return int(answer.text)

        self.assertEqual(count("CardCode eq 'C00001' or CardCode eq 'C00002' and CardCode eq 'none'"), 1)
        self.assertEqual(count("not (CardCode ne 'C00001')"), 1)
        self.assertEqual(count("substringof('C0000',CardCode)", self.v1), count("contains(CardCode,'C0000')"))
        self.assertEqual(count("CreditLimit add 1 eq 501"), 2)
        self.assertEqual(count("CardName eq 'O''Hara'"), 0)
        for wrong in ["CardCode eq", "Nonsense eq 1", "CardCode eq 'a' ; 1", "foo(CardCode)"]:
            answer = self.v2.get(self.v2.root + "/BusinessPartners", params={"$filter": wrong})
            self.assertEqual(answer.status_code, 400, wrong)

    def test_line_merge_and_replace(self):
        """PATCH merges lines by LineNum; B1S-ReplaceCollectionsOnPatch drops those the body lacks. [M]"""
        made = self.post("/Orders", self.order()).json()
        address = self.v2.root + f"/Orders({made['DocEntry']})"
        self.v2.patch(address, json={"DocumentLines": [{"LineNum": 1, "Quantity": 7}]})
        lines = self.v2.get(address).json()["DocumentLines"]
        self.assertEqual([line["Quantity"] for line in lines], [2, 7])
        self.assertEqual(lines[1]["UnitPrice"], 5)
        self.v2.patch(address, json={"DocumentLines": [{"LineNum": 1}]}, headers={"B1S-ReplaceCollectionsOnPatch": "true"})
        self.assertEqual([line["LineNum"] for line in self.v2.get(address).json()["DocumentLines"]], [1])

    def test_rows_of_a_partner_merge_by_their_number(self):
        """PATCH merges ContactEmployees by InternalCode and BPAddresses by RowNum; a row without one is new. [?]"""
        address = {"AddressName": "Main", "AddressType": "bo_BillTo", "City": "Kiel"}
        self.post("/BusinessPartners", {"CardCode": "CROWS", "CardName": "Rows", "BPAddresses": [address], "ContactEmployees": [{"Name": "Old Name", "E_Mail": "o@rows.example"}]})
        there = self.get("/BusinessPartners('CROWS')").json()
        code = there["ContactEmployees"][0]["InternalCode"]
        rows = {"ContactEmployees": [{"InternalCode": code, "Name": "New Name"}, {"Name": "Another"}], "BPAddresses": [{"RowNum": 0, "AddressName": "Main", "City": "Bremen"}]}
        self.v2.patch(self.v2.root + "/BusinessPartners('CROWS')", json=rows)
        after = self.get("/BusinessPartners('CROWS')").json()
        self.assertEqual([(c["Name"], c.get("E_Mail")) for c in after["ContactEmployees"]], [("New Name", "o@rows.example"), ("Another", None)])
        self.assertEqual([a["City"] for a in after["BPAddresses"]], ["Bremen"])

    def test_purchase_orders_announce_stock(self):
        """A purchase order raises what is ordered from vendors, on the item and in its warehouse. [M]"""
        before = self.get("/Items('A00006')").json()
        self.post("/PurchaseOrders", {"CardCode": "C00001", "DocDueDate": "2027-01-31", "DocumentLines": [{"ItemCode": "A00006", "Quantity": 5, "UnitPrice": 1, "WarehouseCode": "01"}]})
        after = self.get("/Items('A00006')").json()
        self.assertEqual(after["QuantityOrderedFromVendors"], before["QuantityOrderedFromVendors"] + 5)
        self.assertEqual(after["ItemWarehouseInfoCollection"][0]["Ordered"], before["ItemWarehouseInfoCollection"][0]["Ordered"] + 5)

    def test_batch_transcript(self):
        """multipart/mixed; parts in order; a failed change set one error part; Content-ID references; 202. [M]"""
        body = "\r\n".join([
            "--b", "Content-Type: application/http", "Content-Transfer-Encoding: binary", "", "GET /b1s/v2/Items('A00001')?$select=ItemCode HTTP/1.1", "", "",
            "--b", "Content-Type: multipart/mixed; boundary=c", "",
            "--c", "Content-Type: application/http", "Content-Transfer-Encoding: binary", "Content-ID: 1", "",
            "POST /b1s/v2/BusinessPartners HTTP/1.1", "Content-Type: application/json", "", json.dumps({"CardCode": "CBATCH", "CardName": "Batch"}),
            "--c", "Content-Type: application/http", "Content-Transfer-Encoding: binary", "Content-ID: 2", "",
            "PATCH $1 HTTP/1.1", "Content-Type: application/json", "", json.dumps({"Phone1": "from a reference"}),
            "--c--",
            "--b", "Content-Type: multipart/mixed; boundary=d", "",
            "--d", "Content-Type: application/http", "Content-Transfer-Encoding: binary", "Content-ID: 1", "",
            "POST /b1s/v2/BusinessPartners HTTP/1.1", "Content-Type: application/json", "", json.dumps({"CardCode": "CLOST", "CardName": "Lost"}),
            "--d", "Content-Type: application/http", "Content-Transfer-Encoding: binary", "Content-ID: 2", "",
            "POST /b1s/v2/BusinessPartners HTTP/1.1", "Content-Type: application/json", "", json.dumps({"CardCode": "C00001", "CardName": "There"}),
            "--d--", "--b--", "",
        ])
        headers = {"Content-Type": "multipart/mixed; boundary=b", "Prefer": "odata.continue-on-error"}
        answer = self.v2.post(self.v2.root + "/$batch", data=body.encode(), headers=headers)
        self.assertEqual(answer.status_code, 202)
        statuses = [line.split()[1] for line in answer.text.splitlines() if line.startswith("HTTP/1.1")]
        self.assertEqual(statuses, ["200", "201", "204", "400"])
        self.assertEqual(self.get("/BusinessPartners('CBATCH')").json()["Phone1"], "from a reference")
        self.assertEqual(self.get("/BusinessPartners('CLOST')").status_code, 404)
        broken = self.v2.post(self.v2.root + "/$batch", data=b"--b\r\nnonsense", headers=headers)
        self.refused(broken, 400, "-1000")

    def test_document_chain_stock_and_credit(self):
        """Order, delivery, invoice: open quantities, closing, stock that leaves UpdateDate alone, balances, payment. [M][F]"""
        before = self.get("/Items('A00003')").json()
        partner = self.get("/BusinessPartners('C00004')").json()
        order = self.post("/Orders", self.order(CardCode="C00004", DocumentLines=[{"ItemCode": "A00003", "Quantity": 4, "UnitPrice": 10}])).json()
        delivery = self.post("/DeliveryNotes", {"CardCode": "C00004", "DocumentLines": [{"BaseType": 17, "BaseEntry": order["DocEntry"], "BaseLine": 0, "Quantity": 1}]}).json()
        line = self.get(f"/Orders({order['DocEntry']})").json()["DocumentLines"][0]
        self.assertEqual((line["RemainingOpenQuantity"], line["LineStatus"]), (3, "bost_Open"))
        refused = self.v2.post(self.v2.root + f"/Orders({order['DocEntry']})/Cancel")
        self.refused(refused, 400, "-5002")
        after = self.get("/Items('A00003')").json()
        self.assertEqual(after["QuantityOnStock"], before["QuantityOnStock"] - 1)
        self.assertEqual((after["UpdateDate"], after["UpdateTime"]), (before["UpdateDate"], before["UpdateTime"]))
        self.post("/DeliveryNotes", {"CardCode": "C00004", "DocumentLines": [{"BaseType": 17, "BaseEntry": order["DocEntry"], "BaseLine": 0}]})
        self.assertEqual(self.get(f"/Orders({order['DocEntry']})").json()["DocumentStatus"], "bost_Close")
        invoice = self.post("/Invoices", {"CardCode": "C00004", "DocumentLines": [{"BaseType": 15, "BaseEntry": delivery["DocEntry"], "BaseLine": 0}]}).json()
        owed = self.get("/BusinessPartners('C00004')").json()["CurrentAccountBalance"] - partner["CurrentAccountBalance"]
        self.assertAlmostEqual(owed, invoice["DocTotal"])
        payment = self.post("/IncomingPayments", {"CardCode": "C00004", "TransferSum": invoice["DocTotal"], "PaymentInvoices": [{"DocEntry": invoice["DocEntry"], "SumApplied": invoice["DocTotal"]}]}).json()
        paid = self.get(f"/Invoices({invoice['DocEntry']})").json()
        self.assertEqual((paid["PaidToDate"], paid["DocumentStatus"]), (invoice["DocTotal"], "bost_Close"))
        self.assertEqual(self.v2.post(self.v2.root + f"/IncomingPayments({payment['DocEntry']})/Cancel").status_code, 204)
        self.assertEqual(self.get(f"/Invoices({invoice['DocEntry']})").json()["DocumentStatus"], "bost_Open")

    def test_cancellation_documents_and_reconciliations(self):
        """A cancelled delivery opens its order and gives the stock back, by a document of its own; a reconciliation closes what is open, and stamps nothing."""
        def entity(name, entry):
            return self.get(f"/{name}({entry})").json()
        def act(path):
            return self.v2.post(self.v2.root + path)
        before = self.get("/Items('A00008')").json()["QuantityOnStock"]
        balances = ("CurrentAccountBalance", "OpenOrdersBalance", "OpenDeliveryNotesBalance")
        partner = self.get("/BusinessPartners('C00006')").json()
        order = self.post("/Orders", self.order(CardCode="C00006", DocumentLines=[{"ItemCode": "A00008", "Quantity": 2, "UnitPrice": 10}])).json()
        delivery = self.post("/DeliveryNotes", {"CardCode": "C00006", "DocumentLines": [{"BaseType": 17, "BaseEntry": order["DocEntry"], "BaseLine": 0}]}).json()
        self.assertEqual(entity("Orders", order["DocEntry"])["DocumentStatus"], "bost_Close")
        self.assertEqual(act(f"/DeliveryNotes({delivery['DocEntry']})/Cancel").status_code, 204)
        old, new = entity("DeliveryNotes", delivery["DocEntry"]), entity("DeliveryNotes", delivery["DocEntry"] + 1)
        self.assertEqual((old["Cancelled"], old["CancelStatus"], old["DocumentStatus"]), ("tYES", "csYes", "bost_Close"))
        self.assertEqual((new["Cancelled"], new["CancelStatus"], new["DocumentStatus"]), ("tNO", "csCancellation", "bost_Close"))
        line = new["DocumentLines"][0]
        self.assertEqual((line["BaseType"], line["BaseEntry"], line["BaseLine"]), (15, delivery["DocEntry"], 0))
        self.refused(act(f"/DeliveryNotes({delivery['DocEntry']})/Cancel"), 400, "-5002")
        self.assertEqual(self.get("/Items('A00008')").json()["QuantityOnStock"], before)
        opened = entity("Orders", order["DocEntry"])
        self.assertEqual((opened["DocumentStatus"], opened["DocumentLines"][0]["RemainingOpenQuantity"]), ("bost_Open", 2))
        now = self.get("/BusinessPartners('C00006')").json()
        for name, more in zip(balances, (0, order["DocTotal"], 0)):
            self.assertAlmostEqual(now[name], partner[name] + more, msg=name)
        parts = [{"DueDate": "2027-01-31", "Percentage": 50}, {"DueDate": "2027-02-28", "Percentage": 50}]
        own = {"ItemCode": "A00008", "Quantity": 1, "UnitPrice": 100}
        invoice = self.post("/Invoices", {"CardCode": "C00006", "DocumentLines": [own], "DocumentInstallments": parts}).json()
        self.assertEqual([(part["InstallmentId"], part["Total"]) for part in invoice["DocumentInstallments"]], [(1, 59.5), (2, 59.5)])
        memo = self.post("/CreditNotes", {"CardCode": "C00006", "DocumentLines": [own]}).json()
        def row(kind, document, side, amount):
            return {"Selected": "tYES", "ShortName": "C00006", "SrcObjTyp": kind, "SrcObjAbs": document["DocEntry"], "CreditOrDebit": side, "ReconcileAmount": amount}
        def body(amount):
            rows = [row("13", invoice, "codDebit", 119), row("14", memo, "codCredit", amount)]
            return {"CardOrAccount": "coaCard", "InternalReconciliationOpenTransRows": rows}
        self.refused(self.v2.post(self.v2.root + "/InternalReconciliations", json=body(100)), 400, "-5002")
        made = self.post("/InternalReconciliations", body(119)).json()
        for name, document in (("Invoices", invoice), ("CreditNotes", memo)):
            closed = entity(name, document["DocEntry"])
            self.assertEqual((closed["DocumentStatus"], closed["PaidToDate"], closed["UpdateTime"]), ("bost_Close", 119, document["UpdateTime"]))
        self.refused(act(f"/Invoices({invoice['DocEntry']})/Cancel"), 400, "-5002")
        self.assertEqual(act(f"/InternalReconciliations({made['ReconNum']})/Cancel").status_code, 204)
        self.assertEqual(entity("Invoices", invoice["DocEntry"])["DocumentStatus"], "bost_Open")

    def test_the_buttons_of_the_page(self):
        """What a clerk does: ship a part, ship the rest, invoice, take the payment; the chain is one. [M]"""
        order = self.post("/Orders", self.order(CardCode="C00009")).json()["DocEntry"]
        press = lambda what: requests.post(HOST + "/admin/" + what)
        for what in [f"deliver/{order}?partly", f"deliver/{order}"]:
            self.assertEqual(press(what).status_code, 201)
        self.assertEqual(self.get(f"/Orders({order})").json()["DocumentStatus"], "bost_Close")
        invoice = int(press(f"invoice/{order}").json()["invoice"])
        lines = self.get(f"/Invoices({invoice})").json()["DocumentLines"]
        self.assertEqual({line["BaseType"] for line in lines}, {15})
        self.assertEqual(press(f"pay/{invoice}").status_code, 201)
        self.assertEqual(self.get(f"/Invoices({invoice})").json()["DocumentStatus"], "bost_Close")
        self.assertEqual(press(f"deliver/{order}").status_code, 400)

    def test_approval_trap(self):
        """An order that needs approval becomes a draft and is answered -2028. [F]"""
        requests.put(HOST + "/admin/settings", json={"approval_over": 1})
        drafts = int(self.get("/Drafts/$count").text)
        self.refused(self.post("/Orders", self.order()), 400, "-2028")
        self.assertEqual(int(self.get("/Drafts/$count").text), drafts + 1)
        requests.put(HOST + "/admin/settings", json={})

    def test_branches(self):
        """In a company with several a document names an active one, that of its partner and its warehouses, and keeps it. [F]"""
        requests.put(HOST + "/admin/settings", json={"branches": True})
        try:
            branches = {row["BPLID"]: row["Disabled"] for row in self.get("/BusinessPlaces").json()["value"]}
            self.assertEqual(branches, {1: "tNO", 2: "tNO", 3: "tYES"})
            refused = self.post("/Orders", self.order())
            self.refused(refused, 400, "-5002")
            self.assertIn("active branch", refused.text)
            self.refused(self.post("/Orders", self.order(BPL_IDAssignedToInvoice=3)), 400, "-5002")
            self.refused(self.post("/Orders", self.order(BPL_IDAssignedToInvoice=2)), 400, "-5002")  # warehouse 01 is Main's
            made = self.post("/Orders", self.order(BPL_IDAssignedToInvoice=1)).json()
            self.assertEqual((made["BPL_IDAssignedToInvoice"], made["BPLName"]), (1, "Main"))
            order = f"{self.v2.root}/Orders({made['DocEntry']})"
            self.refused(self.v2.patch(order, json={"BPL_IDAssignedToInvoice": 2}), 400, "-5002")
            self.assertEqual(self.v2.patch(order, json={"Comments": "x", "BPL_IDAssignedToInvoice": 1}).status_code, 204)
            delivery = requests.post(f"{HOST}/admin/deliver/{made['DocEntry']}").json()["delivery"]
            self.assertEqual(self.get(f"/DeliveryNotes({delivery})").json()["BPL_IDAssignedToInvoice"], 1)
            self.post("/BusinessPartners", {"CardCode": "CSOUTH", "CardName": "South", "BPBranchAssignment": [{"BPLID": 2}]})
            self.refused(self.post("/Orders", self.order(CardCode="CSOUTH", BPL_IDAssignedToInvoice=1)), 400, "-5002")
        finally:
            requests.put(HOST + "/admin/settings", json={})

    def test_warehouses_and_price_lists_go(self):
        """Neither while others stand on it; with one go its rows of all items. A service is in no stock. [F]"""
        delete = lambda path: self.v2.delete(self.v2.root + path)
        self.refused(delete("/Warehouses('01')"), 400, "-5002")
        self.refused(delete("/PriceLists(1)"), 400, "-5002")
        self.post("/Warehouses", {"WarehouseCode": "GONE", "WarehouseName": "Gone"})
        self.post("/PriceLists", {"PriceListNo": 77, "PriceListName": "Gone"})
        item = {"ItemWarehouseInfoCollection": [{"WarehouseCode": "GONE"}], "ItemPrices": [{"PriceList": 77, "Price": 1, "Currency": "EUR"}]}
        self.assertEqual(self.v2.patch(self.v2.root + "/Items('A00009')", json=item).status_code, 204)
        for path in ("/Warehouses('GONE')", "/PriceLists(77)"):
            self.assertEqual(delete(path).status_code, 204)
        left = self.get("/Items('A00009')").json()
        self.assertNotIn("GONE", [row["WarehouseCode"] for row in left["ItemWarehouseInfoCollection"]])
        self.assertNotIn(77, [row["PriceList"] for row in left["ItemPrices"]])
        self.post("/Items", {"ItemCode": "SERVICE", "ItemName": "A service", "InventoryItem": "tNO"})
        self.post("/Orders", self.order(DocumentLines=[{"ItemCode": "SERVICE", "Quantity": 3, "UnitPrice": 1}]))
        rows = self.get("/Items('SERVICE')").json()["ItemWarehouseInfoCollection"]
        self.assertEqual({row["Committed"] for row in rows}, {0})

    def test_freight(self):
        """Freight of document and row by ExpenseCode: in DocTotal, with its own tax, untouched by the discount. [F]"""
        rows = {"DocumentLines": [{"ItemCode": "A00001", "Quantity": 1, "UnitPrice": 100, "VatGroup": "A1"}], "DiscountPercent": 10}
        plain = self.post("/Orders", self.order(**rows)).json()
        self.assertAlmostEqual(plain["DocTotal"], 107.1)
        made = self.post("/Orders", self.order(**rows, DocumentAdditionalExpenses=[{"ExpenseCode": 1, "LineTotal": 20}])).json()
        self.assertAlmostEqual(made["DocTotal"], 107.1 + 23.8)
        self.assertAlmostEqual(made["VatSum"], plain["VatSum"] + 3.8)
        line = {**rows["DocumentLines"][0], "DocumentLineAdditionalExpenses": [{"ExpenseCode": 2, "LineTotal": 5}]}
        self.assertAlmostEqual(self.post("/Orders", self.order(**{**rows, "DocumentLines": [line]})).json()["DocTotal"], 112.1)
        self.refused(self.post("/Orders", self.order(DocumentAdditionalExpenses=[{"ExpenseCode": 9, "LineTotal": 1}])), 400, "-2028")
        order = f"/Orders({made['DocEntry']})"
        change = {"DocumentAdditionalExpenses": [{"ExpenseCode": 2, "LineTotal": 1}]}
        self.assertEqual(self.v2.patch(self.v2.root + order, json=change).status_code, 204)
        self.assertEqual([row["ExpenseCode"] for row in self.get(order).json()["DocumentAdditionalExpenses"]], [1, 2])
        self.assertAlmostEqual(self.get(order).json()["DocTotal"], 107.1 + 23.8 + 1)

    def test_batches_and_serial_numbers(self):
        """An order goes without them, a delivery does not; a row shows empty collections, and under $select always. [F]"""
        for item, by in [("A00006", "ManageBatchNumbers"), ("A00007", "ManageSerialNumbers")]:
            self.assertEqual(self.v2.patch(f"{self.v2.root}/Items('{item}')", json={by: "tYES"}).status_code, 204)
        lines = [{"ItemCode": "A00006", "Quantity": 3, "UnitPrice": 1}, {"ItemCode": "A00007", "Quantity": 2, "UnitPrice": 1}]
        order = self.post("/Orders", self.order(DocumentLines=lines)).json()
        self.assertEqual((order["DocumentLines"][0]["BatchNumbers"], order["DocumentLines"][1]["SerialNumbers"]), ([], []))
        drawn = [{"BaseType": 17, "BaseEntry": order["DocEntry"], "BaseLine": n} for n in (0, 1)]
        self.refused(self.post("/DeliveryNotes", {"CardCode": "C00001", "DocumentLines": drawn}), 400, "-4014")
        drawn[0]["BatchNumbers"] = [{"BatchNumber": "B1", "Quantity": 2}]
        drawn[1]["SerialNumbers"] = [{"InternalSerialNumber": "S1"}, {"InternalSerialNumber": "S2"}]
        self.refused(self.post("/DeliveryNotes", {"CardCode": "C00001", "DocumentLines": drawn}), 400, "-4014")
        drawn[0]["BatchNumbers"].append({"BatchNumber": "B2", "Quantity": 1})
        delivery = self.post("/DeliveryNotes", {"CardCode": "C00001", "DocumentLines": drawn})
        self.assertEqual(delivery.status_code, 201, delivery.text)
        address = f"/DeliveryNotes({delivery.json()['DocEntry']})"
        batches = lambda query: [len(row["BatchNumbers"]) for row in self.get(address + query).json()["DocumentLines"]]
        self.assertEqual((batches(""), batches("?$select=DocumentLines")), ([2, 0], [0, 0]))
        invoice = [{"BaseType": 15, "BaseEntry": delivery.json()["DocEntry"], "BaseLine": n} for n in (0, 1)]
        self.assertEqual(self.post("/Invoices", {"CardCode": "C00001", "DocumentLines": invoice}).status_code, 201)

    def batch(self, *bodies):
        """A change set of orders, as text on the wire."""
        part = lambda body: ["--c", "Content-Type: application/http", "", "POST /b1s/v2/Orders HTTP/1.1", "Content-Type: application/json", "", json.dumps(body)]
        lines = ["--b", "Content-Type: multipart/mixed; boundary=c", "", *sum(map(part, bodies), []), "--c--", "--b--", ""]
        return self.v2.post(self.v2.root + "/$batch", data="\r\n".join(lines), headers={"Content-Type": "multipart/mixed; boundary=b"})

    def test_a_transaction_that_cannot_be_committed(self):
        """-1116 comes and goes: rolled back, and the same goes through a moment later. [F]"""
        orders = lambda: int(self.get("/Orders/$count").text)
        before = orders()
        requests.put(HOST + "/admin/settings", json={"commit_failures": 2})
        self.refused(self.post("/Orders", self.order()), 400, "-1116")
        answer = self.batch(self.order(), self.order())
        self.assertEqual(answer.status_code, 202)
        self.assertIn("HTTP/1.1 400", answer.text)
        self.assertIn("-1116", answer.text)
        self.assertEqual(orders(), before)
        self.assertIn("HTTP/1.1 201", self.batch(self.order(), self.order()).text)
        self.assertEqual(orders(), before + 2)

    def test_a_stored_procedure_refuses(self):
        """Alone by -1 with its number and words; in a change set some versions answer the balancer's page. [F]"""
        rule = {"set": "Orders", "field": "NumAtCard", "is": "PO-X", "number": 1001, "words": "PO-X is used", "page_in_change_sets": True}
        requests.put(HOST + "/admin/settings", json={"procedure": rule})
        try:
            refused = self.post("/Orders", self.order(NumAtCard="PO-X"))
            self.refused(refused, 400, "-1")
            self.assertIn("(1001) PO-X is used", refused.json()["error"]["message"])
            page = self.batch(self.order(NumAtCard="PO-X"))
            self.assertEqual(page.status_code, 502)
            self.assertIn("text/html", page.headers["Content-Type"])
        finally:
            requests.put(HOST + "/admin/settings", json={})

    def test_numbering_series_and_enumerations(self):
        """A partner of a series gets its code; an enumeration takes only its members. [M]"""
        made = self.post("/BusinessPartners", {"Series": 71, "CardName": "By series"}).json()
        self.assertTrue(made["CardCode"].startswith("C7"))
        self.refused(self.post("/BusinessPartners", {"CardCode": "CENUM", "CardName": "x", "CardType": "cNobody"}), 400, "-1000")

    def test_bad_input(self):
        """Malformed JSON, an unknown entity, a wrong key, no JSON object: refused, and the next request is served."""
        answer = self.v2.post(self.v2.root + "/Orders", data=b"{not json", headers={"Content-Type": "application/json"})
        self.refused(answer, 400, "-1000")
        self.refused(self.post("/Orders", [1]), 400, "-1000")
        self.refused(self.get("/Nonsense"), 404, "-1000")
        self.refused(self.get("/Orders('x"), 404, "-1000")
        self.assertEqual(self.v2.post(self.v2.root + "/Orders", data=b"x" * (100 << 20)).status_code, 413)
        self.assertEqual(self.get("/Orders(1)").status_code, 200)

    def test_company_time(self):
        """UpdateDate and UpdateTime are company-local, to the second. [M]"""
        local = requests.get(HOST + "/admin/clock").json()["local"]
        self.v2.patch(self.v2.root + "/BusinessPartners('C00006')", json={"Phone1": "2"})
        found = self.get("/BusinessPartners('C00006')?$select=UpdateDate,UpdateTime").json()
        self.assertEqual(found["UpdateDate"][:10], local[:10])
        self.assertEqual(found["UpdateTime"][:2], local[11:13])
        self.assertEqual(local[-6:], "+01:00", "Europe/Berlin in winter")


if __name__ == "__main__":
    unittest.main(verbosity=2)
