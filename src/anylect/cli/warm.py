"""`anylect warm`."""

import click


@click.command()
def command() -> None:
    """Compile the kernels of language models and beam search now, once for this installation.

    Otherwise the first command that needs them waits for it, up to a minute.
    """
    from anylect.workflows.warm import warm

    click.echo(f"kernels ready after {warm():.0f} s")
