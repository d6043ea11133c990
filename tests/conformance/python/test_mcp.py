"""The protocol's own Python client against the host's tools: by the version of today, by those before it, and over standard input and output.

The client itself holds each result against the tool's output schema."""

import asyncio
import os
import unittest

from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client

ADDRESS = os.environ["MCP"]
ITEM = os.environ["ITEM"]


def transport():
    client = create_mcp_http_client(headers={"Authorization": f"Bearer {os.environ['TOKEN']}"})
    return streamable_http_client(ADDRESS, http_client=client)


async def looks(client):
    listed = await client.list_tools()
    tools = {tool.name: tool for tool in listed.tools}
    assert {"accounts_find-customer", "inventory_stock-of", "orders_orders-of"} <= set(tools), sorted(tools)
    stock = tools["inventory_stock-of"]
    assert stock.title and stock.description and stock.output_schema["type"] == "object", stock
    assert stock.annotations.read_only_hint is True and stock.annotations.destructive_hint is False, stock
    told = await client.call_tool("inventory_stock-of", {"item_code": ITEM})
    assert not told.is_error and told.structured_content["item_code"] == ITEM, told
    assert ITEM in told.content[0].text, "the same as text, for who reads no structured content"
    wrong = await client.call_tool("inventory_stock-of", {"item": ITEM})
    assert wrong.is_error and "item_code" in wrong.content[0].text, wrong
    none = await client.call_tool("inventory_stock-of", {"item_code": "NO-SUCH-ITEM"})
    assert none.is_error and "NO-SUCH-ITEM" in none.content[0].text, none
    try:
        await client.call_tool("inventory_no-such-tool", {})
        raise AssertionError("it has answered for a tool that is none")
    except MCPError as error:
        assert "no tool" in str(error), error
    # What writes waits for a person, and tells so.
    asked = await client.call_tool("orders_send-again", {"opportunity": os.environ["OPPORTUNITY"]})
    assert not asked.is_error and asked.structured_content["state"] == "waits for approval", asked
    stands = await client.call_tool("tandem_call", {"call": asked.structured_content["call"]})
    assert stands.structured_content["plan"], stands
    # Many at once.
    many = await asyncio.gather(*[client.call_tool("inventory_stock-of", {"item_code": ITEM}) for _ in range(20)])
    assert not any(one.is_error for one in many), many
    places = {place.uri for place in (await client.list_resources()).resources}
    assert {str(place) for place in places} == {"tandem://flows", "tandem://reviews"}, places
    flows = await client.read_resource("tandem://flows")
    assert '"flow":"orders"' in flows.contents[0].text, flows
    asked = {prompt.name for prompt in (await client.list_prompts()).prompts}
    assert "why" in asked, asked
    why = await client.get_prompt("why", {"record": "0065g0000000001AAA"})
    assert "0065g0000000001AAA" in why.messages[0].content.text, why
    return listed


class Clients(unittest.IsolatedAsyncioTestCase):
    async def over_http(self, mode):
        async with Client(transport(), mode=mode) as client:
            return await looks(client)

    async def over_stdio(self, mode):
        program = StdioServerParameters(command=os.environ["TANDEM"], args=["--config", os.environ["CONFIG"], "mcp"])
        async with Client(program, mode=mode) as client:
            return await looks(client)

    async def test_over_http_by_the_version_of_today(self):
        listed = await self.over_http("2026-07-28")
        self.assertEqual((listed.ttl_ms, listed.cache_scope), (60_000, "private"))

    async def test_over_http_as_it_finds_out(self):
        await self.over_http("auto")

    async def test_over_http_by_the_versions_before(self):
        await self.over_http("legacy")

    async def test_over_standard_input_and_output(self):
        await self.over_stdio("auto")

    async def test_over_standard_input_and_output_by_the_versions_before(self):
        await self.over_stdio("legacy")


if __name__ == "__main__":
    unittest.main()
