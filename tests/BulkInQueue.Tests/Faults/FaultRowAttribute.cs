using Xunit.Abstractions;
using Xunit.Sdk;

namespace BulkIn;

/// <summary>The test shows how the library stands the fault of this row of <see cref="FaultRows"/>. <c>dotnet test --filter FaultRow=20</c> runs a row's tests.</summary>
[TraitDiscoverer("BulkIn.FaultRowDiscoverer", "BulkInQueue.Tests")]
[AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
public sealed class FaultRowAttribute(int row) : Attribute, ITraitAttribute
{
    public int Row { get; } = row;
}

/// <summary>Turns <see cref="FaultRowAttribute"/> into the trait FaultRow, by which tests are filtered and reported.</summary>
public sealed class FaultRowDiscoverer : ITraitDiscoverer
{
    public const string TraitName = "FaultRow";

    public IEnumerable<KeyValuePair<string, string>> GetTraits(IAttributeInfo traitAttribute)
    {
        int row = (int)traitAttribute.GetConstructorArguments().First();
        yield return new KeyValuePair<string, string>(TraitName, FormattableString.Invariant($"{row}"));
    }
}
