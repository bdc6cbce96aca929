namespace BulkIn.Bench;

/// <summary>Rules of the contract checker, <c>tests/kernel/shim/rules.h</c>, that a case may break in the place of a careless user.</summary>
internal static class ContractRule
{
    /// <summary>A handle is closed while transfers are posted.</summary>
    public const string ClosePosted = "close-posted";

    /// <summary>A handle is closed while device memory is mapped through it.</summary>
    public const string MemoryOpen = "memory-open";

    /// <summary>A context is exited while devices are open in it.</summary>
    public const string ExitOpen = "exit-open";

    /// <summary>An interface is released or changed while transfers are posted.</summary>
    public const string ChangePosted = "change-posted";

    /// <summary>A device is reset while transfers are posted.</summary>
    public const string ResetPosted = "reset-posted";
}
