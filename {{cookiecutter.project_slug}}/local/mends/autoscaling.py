"""EC2 Auto Scaling: the launch template of a group."""

from __future__ import annotations

from mends import around, mend


@mend("autoscaling.launch-template", "an update ignores the launch template's version: a diff after every change of it")
def launch_template() -> None:
    from ministack.services import autoscaling, ec2

    @around(autoscaling, "UpdateAutoScalingGroup")
    def kept(original, request):
        answer = original(request)
        template = autoscaling._p(request, "LaunchTemplate.LaunchTemplateId")
        if answer[0] == 200 and template:
            autoscaling._asgs[autoscaling._p(request, "AutoScalingGroupName")]["LaunchTemplate"] = {
                "LaunchTemplateId": template,
                "LaunchTemplateName": ec2._launch_templates[template]["LaunchTemplateName"],
                "Version": autoscaling._p(request, "LaunchTemplate.Version"),
            }
        return answer
