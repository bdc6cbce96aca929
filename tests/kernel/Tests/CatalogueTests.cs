using BulkIn.Bench;
using Xunit;

namespace BulkIn;

public sealed class CatalogueTests
{
    [Theory]
    [InlineData("unplug.idle", "unplug.idle")]
    [InlineData("stall", "stall.")]
    [InlineData("stall.", "stall.")]
    public void Select_NameOrItsBeginning_IsThatFamily(string name, string beginning)
    {
        IReadOnlyList<BenchCase> selected = Catalogue.Select([name], full: false);

        Assert.Equal(Catalogue.All.Where(each => each.Name.StartsWith(beginning, StringComparison.Ordinal) || each.Name == name), selected);
        Assert.NotEmpty(selected);
    }

    [Theory]
    [InlineData("stal")]
    [InlineData("unplug.idle.")]
    [InlineData(".")]
    public void Select_NothingOfThatName_SaysSo(string name)
    {
        ArgumentException refused = Assert.Throws<ArgumentException>(() => Catalogue.Select([name], full: false));

        Assert.Contains(name, refused.Message, StringComparison.Ordinal);
    }
}
