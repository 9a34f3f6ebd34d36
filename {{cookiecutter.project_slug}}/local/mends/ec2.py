"""EC2: security group rules, and the jumpbox with its address."""

from __future__ import annotations

from mends import around, around_function, mend

METADATA_OPTIONS = (  # as it is shown, as it is asked for, AWS's default for Amazon Linux 2023
    ("httpTokens", "HttpTokens", "required"),
    ("httpEndpoint", "HttpEndpoint", "enabled"),
    ("httpPutResponseHopLimit", "HttpPutResponseHopLimit", "2"),
    ("httpProtocolIpv6", "HttpProtocolIpv6", "disabled"),
    ("instanceMetadataTags", "InstanceMetadataTags", "disabled"),
)


@mend("ec2.all-traffic-has-no-ports", "revoking the allow-all egress of a new group misses silently: every group keeps it")
def all_traffic_has_no_ports() -> None:
    from ministack.services import ec2

    @around_function(ec2, "_parse_ip_permissions")
    def without_ports(original, request, prefix):
        rules = original(request, prefix)
        for rule in rules:
            if rule["IpProtocol"] == "-1":  # the provider sends ports 0 to 0 with it, which AWS ignores
                rule.pop("FromPort", None)
                rule.pop("ToPort", None)
        return rules


@mend("ec2.instance-fields", "an instance forgets its metadata options and that its disk is encrypted: the jumpbox is "
      "replaced at every plan")
def instance_fields() -> None:
    from ministack.services import ec2

    @around(ec2, "RunInstances")
    def kept(original, request):
        before = set(ec2._instances)
        answer = original(request)
        for name in set(ec2._instances) - before:
            ec2._instances[name]["_metadata_options"] = {
                field: ec2._p(request, f"MetadataOptions.{asked}") or default for field, asked, default in METADATA_OPTIONS}
            _encrypt(name, request)
        return answer

    @around_function(ec2, "_instance_xml")
    def shown(original, instance):
        options = instance.get("_metadata_options", {})
        inner = "".join(f"<{field}>{value}</{field}>" for field, value in options.items())
        return original(instance).replace(
            "</instanceId>", f"</instanceId><metadataOptions><state>applied</state>{inner}</metadataOptions>", 1)


def _encrypt(instance: str, request: dict) -> None:
    from ministack.services import ec2

    prefixes = [f"BlockDeviceMapping.{number}." for number in range(1, 9)]
    encrypted = {ec2._p(request, prefix + "DeviceName") for prefix in prefixes
                 if ec2._p(request, prefix + "Ebs.Encrypted") == "true"}
    for volume in ec2._volumes.values():
        if any(each["InstanceId"] == instance and each["Device"] in encrypted for each in volume["Attachments"]):
            volume["Encrypted"] = True


@mend("ec2.nat-address", "a NAT gateway does not tell its address: one that is adopted would be replaced")
def nat_address() -> None:
    from ministack.services import ec2

    @around(ec2, "DescribeNatGateways")
    def told(original, request):
        status, headers, body = original(request)
        text = body.decode()
        for name, gateway in ec2._nat_gateways.items():
            address = ec2._addresses.get(gateway["AllocationId"])
            if address:
                shown = (f"<natGatewayAddressSet><item><allocationId>{address['AllocationId']}</allocationId>"
                         f"<publicIp>{address['PublicIp']}</publicIp><isPrimary>true</isPrimary></item></natGatewayAddressSet>")
                before, itself, after = text.partition(f"<natGatewayId>{name}</natGatewayId>")
                text = before + itself + after.replace("<natGatewayAddressSet/>", shown, 1)
        return status, headers, text.encode()
